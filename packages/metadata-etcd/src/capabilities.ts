// What a store on etcd can and can't do: read by the cluster at start, and by the contract suite.

import type { StoreCapabilities } from '@cajun/core/adapter'

export const etcdCapabilities: StoreCapabilities = {
  // Every acknowledged write is agreed on by a majority; reads ask it too.
  linearizable: true,
  fencing: true,
  atomicBatch: true,
  /** The server's default of `--max-txn-ops`. */
  maxBatch: 128,
  // The server takes requests of 1.5 MiB.
  maxBatchBytes: 1_048_576,
  maxValueBytes: 1_048_576,
  watch: 'every',
}
