// A process that does nothing but serve an embedded store: `server-main.ts <port>`. Says its URL on a line of its own.

import { MemoryMetadataServer } from '../../src/index.ts'

const server = await MemoryMetadataServer.start({ port: Number(process.argv[2] ?? 0) })
process.stdout.write(`${server.url}\n`)
// Whoever started this holds the other end of stdin: if it dies, so does this.
process.stdin.on('close', () => process.exit(0)).resume()
