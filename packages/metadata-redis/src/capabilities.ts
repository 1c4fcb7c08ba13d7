// What a store on Redis can and can't do: read by the cluster at start, and by the contract suite.

import type { StoreCapabilities } from '@cajun/core/adapter'

export const redisCapabilities: StoreCapabilities = {
  // One server runs one script after another. A replica that took over may lack the last writes, and a former primary that nobody reaches any more may
  // still answer: neither of these is claimed unless the user says that there is no such thing (`neverLosesWrites`).
  linearizable: false,
  fencing: false,
  atomicBatch: true,
  maxBatch: 10_000,
  // A script runs alone: what it takes, everybody else waits.
  maxBatchBytes: 8 * 1_048_576,
  maxValueBytes: 1_048_576,
  watch: 'every',
}

export const redisCapabilitiesWithoutLoss: StoreCapabilities = { ...redisCapabilities, linearizable: true, fencing: true }
