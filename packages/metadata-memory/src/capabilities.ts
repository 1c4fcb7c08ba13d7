// What the embedded store can and can't do: read by the cluster at start, and by the contract suite.

import type { StoreCapabilities } from '@cajun/core/adapter'

export const memoryCapabilities: StoreCapabilities = {
  linearizable: true,
  // It promises to survive nothing: when its process dies the data is gone, the store id changes, and tokens go on above the old ones.
  fencing: true,
  atomicBatch: true,
  maxBatch: 1_000,
  maxBatchBytes: 2 * 1_048_576,
  maxValueBytes: 1_048_576,
  watch: 'every',
}
