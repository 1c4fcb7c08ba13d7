// The embedded store: in process, and over loopback with its server in a process of its own.
//   node --conditions=@cajun/source apps/bench/src/metadata-memory.ts

import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { EmbeddedDatabase, MemoryMetadataServer, MemoryMetadataStore } from '@cajun/metadata-memory'
import { benchMetadataStore, firstLine, printLatencies } from './metadata-store-bench.ts'

export async function benchMetadataMemory(): Promise<void> {
  const database = new EmbeddedDatabase()
  printLatencies('embedded store, in process', await benched(() => new MemoryMetadataStore({ database })))

  const child = spawn(process.execPath, ['--conditions=@cajun/source', fileURLToPath(import.meta.url), 'serve'], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  try {
    const url = await firstLine(child.stdout)
    printLatencies('embedded store, over loopback', await benched(() => new MemoryMetadataStore({ url })))
  } finally {
    child.kill()
  }
}

async function benched(make: () => MemoryMetadataStore): Promise<Awaited<ReturnType<typeof benchMetadataStore>>> {
  await using store = make()
  await using peer = make()
  await Promise.all([store.open(), peer.open()])
  return await benchMetadataStore(store, peer)
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv[2] === 'serve') {
    const server = await MemoryMetadataServer.start()
    console.log(server.url)
    process.stdin.on('close', () => process.exit(0)).resume()
  } else await benchMetadataMemory()
}
