// Bugs planted in links, streams, records and tenures (GUARANTEES, "How").

import type { Mutation } from './mutation.ts'

export const deliveryMutations: readonly Mutation[] = []
