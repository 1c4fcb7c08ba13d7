// The nodes that the arithmetic of placement is measured with.

import type { PlanCandidate } from '@cajun/core/adapter'

export const KIND = 'counter'

export const candidates = (count: number, capacity: (n: number) => number = () => 1): PlanCandidate[] =>
  Array.from({ length: count }, (_, n) => ({
    nodeId: `node-${n}`,
    processId: `process-${n}`,
    incarnation: `incarnation-${n}`,
    kinds: [KIND],
    capacity: capacity(n),
    load: 0,
    draining: false,
  }))
