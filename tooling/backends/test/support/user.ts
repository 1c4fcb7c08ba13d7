// A process that starts a server, says which, and stays (or leaves) without stopping it.

import { Backend } from '../../src/index.ts'

const backend = await Backend.start('redis')
console.log(JSON.stringify({ pid: backend.pid, dataDir: backend.dataDir }))
if (process.argv[2] !== 'leave') setInterval(() => {}, 1_000)
