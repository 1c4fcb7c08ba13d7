// A process that starts the named server, says which, and stays (or leaves) without stopping it.

import { Backend } from '../../src/index.ts'
import type { BackendName } from '../../src/server-kind.ts'

const backend = await Backend.start(process.argv[2] as BackendName)
console.log(JSON.stringify({ pid: backend.pid, dataDir: backend.dataDir }))
if (process.argv[3] !== 'leave') setInterval(() => {}, 1_000)
