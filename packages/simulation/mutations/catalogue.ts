// Every planted bug. Each rule of GUARANTEES' "How" and of ARCHITECTURE section 7 has at least one.

import { actorMutations } from './actor-mutations.ts'
import { clusterMutations } from './cluster-mutations.ts'
import { deliveryMutations } from './delivery-mutations.ts'
import type { Mutation } from './mutation.ts'

export const mutations: readonly Mutation[] = [...clusterMutations, ...deliveryMutations, ...actorMutations]
