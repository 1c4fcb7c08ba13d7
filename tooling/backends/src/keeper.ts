// The process behind `pnpm backends up`: it holds the servers until `down`, so that the command itself can return. Whatever ends it ends them.

import { Backend } from './backend.ts'
import { type Kept, writeKept } from './kept.ts'
import { reasonToSkip } from './locate.ts'
import type { BackendName } from './server-kind.ts'

const names = process.argv.slice(2) as BackendName[]
const backends: Backend[] = []
let stopping = false

async function stop(): Promise<void> {
  if (stopping) return
  stopping = true
  await Promise.all(backends.map((backend) => backend.stop()))
  writeKept(undefined)
  process.exit(0)
}

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => void stop())
setInterval(() => {}, 60_000)

const servers: Kept['servers'] = await Promise.all(
  names.map(async (name) => {
    try {
      const skipped = await reasonToSkip(name)
      if (skipped !== undefined) return { name, problem: skipped }
      const backend = await Backend.start(name)
      backends.push(backend)
      return { name, url: backend.url, source: backend.source }
    } catch (error) {
      return { name, problem: error instanceof Error ? error.message : String(error) }
    }
  }),
)
// `down` may have come meanwhile: what started too late must not stay.
if (stopping) for (const backend of backends) await backend.stop()
else if (backends.length === 0) {
  writeKept({ pid: 0, servers })
  process.exit(1)
} else writeKept({ pid: process.pid, servers })
