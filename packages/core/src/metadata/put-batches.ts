// Splits what `putAll` was given into batches that the store takes at once, by count and by size.

import type { KeyValue } from './metadata-adapter.ts'
import type { StoreCapabilities } from './metadata-store.ts'
import { requireKey, requireValue } from './store-validation.ts'

/** Checks all of them before anything is written. */
export function splitBatches(entries: readonly KeyValue[], capabilities: StoreCapabilities): KeyValue[][] {
  const { maxBatch, maxValueBytes, maxBatchBytes = Number.POSITIVE_INFINITY } = capabilities
  const seen = new Set<string>()
  const batches: KeyValue[][] = []
  let batch: KeyValue[] = []
  let bytes = 0
  for (const entry of entries) {
    requireKey(entry.key)
    const size = Buffer.byteLength(entry.key) + requireValue(entry.key, entry.value, maxValueBytes)
    if (seen.has(entry.key)) throw new TypeError(`putAll names key '${entry.key}' twice; which of the two should hold is not ours to guess`)
    seen.add(entry.key)
    if (batch.length === maxBatch || (batch.length > 0 && bytes + size > maxBatchBytes)) {
      batches.push(batch)
      batch = []
      bytes = 0
    }
    batch.push(entry)
    bytes += size
  }
  if (batch.length > 0) batches.push(batch)
  return batches
}
