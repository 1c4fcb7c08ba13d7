// The embedded store over loopback keeps the whole contract: its server in a process of its own, its client behind a proxy.

import { metadataStoreContract } from '@cajun/contract-tests'
import { CutProxy } from '@cajun/fault-proxy'
import { afterAll, beforeAll } from 'vitest'
import { MemoryMetadataStore, memoryCapabilities } from '../src/index.ts'
import { ServerProcess } from './support/server-process.ts'

let server: ServerProcess
beforeAll(async () => {
  server = await ServerProcess.start()
})
afterAll(() => server.kill())

metadataStoreContract({
  name: 'memory, over loopback',
  capabilities: memoryCapabilities,
  harness: async () => {
    const proxy = await CutProxy.start(server.port)
    return {
      store: (options) => new MemoryMetadataStore({ ...options, url: `tcp://127.0.0.1:${proxy.port}` }),
      peer: (options) => new MemoryMetadataStore({ ...options, url: server.url }),
      isolate: (direction) => proxy.isolate(direction),
      heal: () => proxy.heal(),
      strand: () => proxy.strand(),
      delayAnswers: (delayMs) => proxy.delayAnswers(delayMs),
      interruptions: ['frozen', 'wiped'],
      interrupt: (how) => (how === 'frozen' ? server.freeze() : server.kill()),
      restore: () => server.restore(),
      [Symbol.asyncDispose]: async () => {
        await server.restore()
        await proxy[Symbol.asyncDispose]()
      },
    }
  },
})
