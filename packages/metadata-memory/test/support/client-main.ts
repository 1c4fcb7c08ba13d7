// A process that holds a session and a key with it: `client-main.ts <url> <ttlMs>`. Each line that it writes is one observation:
// `ready`, `unsafe` (noticed by comparing clocks, before any timer was asked), `lost`.

import { nodeRuntime } from '@cajun/core/adapter'
import { MemoryMetadataStore } from '../../src/index.ts'

const [url, ttlMs] = process.argv.slice(2)
const store = new MemoryMetadataStore({ url: url as string })
await store.open()
const session = await store.openSession({ ttlMs: Number(ttlMs) })
await store.put('client', 'alive', { session })
const say = (line: string): void => void process.stdout.write(`${line}\n`)
session.lost.addEventListener('abort', () => say('lost'))
let safe = true
const look = (): void => {
  if (safe && nodeRuntime.leaseMs() >= session.safeUntil()) {
    safe = false
    say('unsafe')
  }
  setTimeout(look, 5)
}
look()
say('ready')
process.stdin.on('close', () => process.exit(0)).resume()
