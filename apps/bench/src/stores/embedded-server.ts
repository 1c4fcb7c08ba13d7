// The embedded store's server in a process of its own, for as long as its parent lives.

import { MemoryMetadataServer } from '@cajun/metadata-memory'

const server = await MemoryMetadataServer.start()
console.log(server.url)
process.stdin.on('close', () => process.exit(0)).resume()
