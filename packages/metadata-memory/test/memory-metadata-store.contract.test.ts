// The embedded store in process keeps the whole contract. Time stands still between steps, so nothing here ever waits.

import { metadataStoreContract } from '@cajun/contract-tests'
import { ManualRuntime } from '../../core/test/support/manual-runtime.ts'
import { EmbeddedDatabase, LinkFaults, MemoryMetadataStore, memoryCapabilities } from '../src/index.ts'

metadataStoreContract({
  name: 'memory, in process',
  capabilities: memoryCapabilities,
  harness: () => {
    const runtime = new ManualRuntime()
    const database = new EmbeddedDatabase({ runtime })
    const faults = new LinkFaults()
    return {
      runtime,
      advance: (ms) => runtime.advanceAndSettle(ms),
      store: (options) => new MemoryMetadataStore({ ...options, runtime, database, faults }),
      peer: (options) => new MemoryMetadataStore({ ...options, runtime, database }),
      isolate: (direction) => faults.isolate(direction),
      heal: () => faults.heal(),
      delayAnswers: (delayMs) => faults.delayAnswers(delayMs),
      interruptions: ['frozen'],
      interrupt: () => database.faults.isolate('both'),
      restore: () => database.faults.heal(),
      [Symbol.asyncDispose]: async () => {},
    }
  },
})
