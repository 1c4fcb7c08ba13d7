// A store may promise less and still keep the contract: the cases for absent capabilities run here, and those for a server that keeps its data.

import type { BatchRequest, Change, KeyValue, PutAllResult, StoreCall, StoreCapabilities, WatchSink } from '@cajun/core/adapter'
import { ManualRuntime } from '../../../core/test/support/manual-runtime.ts'
import { EmbeddedDatabase, LinkFaults, MemoryMetadataStore, memoryCapabilities } from '../../../metadata-memory/src/index.ts'
import { metadataStoreContract } from '../../src/index.ts'

const capabilities: StoreCapabilities = {
  ...memoryCapabilities,
  linearizable: false,
  fencing: false,
  atomicBatch: false,
  maxBatch: 7,
  watch: 'latest',
}

class WeakerStore extends MemoryMetadataStore {
  override readonly capabilities: StoreCapabilities = capabilities

  protected override async _putBatch(entries: readonly KeyValue[], request: BatchRequest, call: StoreCall): Promise<PutAllResult> {
    for (const [written, { key, value }] of entries.entries()) {
      const result = await this._put(key, value, request, call)
      if (!result.ok) return { ok: false, written, conflict: result.conflict === 'guard' ? 'guard' : 'session' }
    }
    return { ok: true, written: entries.length }
  }

  /** Of several changes of one key in one go, only the last. */
  protected override _watch(prefix: string, sink: WatchSink, call: StoreCall): Promise<() => void> {
    const latest: WatchSink = {
      get closed() {
        return sink.closed
      },
      snapshot: (entries) => sink.snapshot(entries),
      changes: (changes) =>
        sink.changes(changes.filter((change, at) => changes.findLastIndex((other) => keyOf(other) === keyOf(change)) === at)),
    }
    return super._watch(prefix, latest, call)
  }
}

const keyOf = (change: Change): string => (change.type === 'put' ? change.entry.key : change.key)

metadataStoreContract({
  name: 'a store that promises less, on a server that keeps its data',
  capabilities,
  harness: () => {
    const runtime = new ManualRuntime()
    const database = new EmbeddedDatabase({ runtime })
    const faults = new LinkFaults()
    return {
      runtime,
      advance: (ms) => runtime.advanceAndSettle(ms),
      store: (options) => new WeakerStore({ ...options, runtime, database, faults }),
      peer: (options) => new WeakerStore({ ...options, runtime, database }),
      isolate: (direction) => faults.isolate(direction),
      heal: () => faults.heal(),
      delayAnswers: (delayMs) => faults.delayAnswers(delayMs),
      interruptions: ['killed'],
      interrupt: () => database.faults.isolate('both'),
      restore: () => database.faults.heal(),
      [Symbol.asyncDispose]: async () => {},
    }
  },
})
