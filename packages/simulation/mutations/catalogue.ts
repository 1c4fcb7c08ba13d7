// Every planted bug. Each rule of GUARANTEES' "How" and of ARCHITECTURE section 7 has at least one.

import type { Mutation } from './mutation.ts'

export const mutations: readonly Mutation[] = []
