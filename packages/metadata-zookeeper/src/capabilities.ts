// What a store on ZooKeeper can and can't do: read by the cluster at start, and by the contract suite.

import type { StoreCapabilities } from '@cajun/core/adapter'

export const zooKeeperCapabilities: StoreCapabilities = {
  // Writes are agreed on by a majority. A read alone may come from a server that is behind, so each follows a write of the same connection.
  linearizable: true,
  fencing: true,
  atomicBatch: true,
  // A server takes requests of 1 MiB (`jute.maxbuffer`). A key takes up to three times its bytes in a path, and two operations where its owner changes.
  maxBatch: 2_000,
  maxBatchBytes: 98_304,
  /** The same megabyte less the paths, and what else a conditional write takes. */
  maxValueBytes: 1_048_576 - 8_192,
  // Watches fire once, and say that something changed and not what: a value between two readings is never seen.
  watch: 'latest',
}
