// `pnpm backends up [names…] | down | status`: servers to try things with. They run until `down`, on free loopback ports, with data that goes with them.

import { spawn } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { isAlive, type Kept, readKept, writeKept } from './kept.ts'
import { locate } from './locate.ts'
import type { BackendName } from './server-kind.ts'
import { backendNames, serverKinds } from './server-kinds.ts'

const USAGE = `usage: pnpm backends up [${backendNames.join('] [')}]   starts all or some, and says how to use them
       pnpm backends down                             stops them and removes their data
       pnpm backends status                           says what runs, and what could be started`
const START_MS = 240_000

function show(kept: Kept): void {
  for (const { name, url, source, problem } of kept.servers) {
    if (problem !== undefined) console.log(`${name}: not started. ${problem}`)
    else console.log(`${name} (from ${source}):  export ${serverKinds[name].variable}=${url}`)
  }
}

async function up(names: readonly BackendName[]): Promise<number> {
  const present = readKept()
  if (present !== undefined && isAlive(present.pid)) {
    console.log('running already; `pnpm backends down` first to start others:')
    show(present)
    return 0
  }
  writeKept(undefined)
  const keeper = spawn(process.execPath, [...process.execArgv, fileURLToPath(new URL('./keeper.ts', import.meta.url)), ...names], {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, NODE_OPTIONS: '' },
  })
  keeper.unref()
  // Ctrl-C before they have started: nobody has been told of them, so they must not come up behind the user's back.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(signal, () => {
      keeper.kill('SIGTERM')
      process.exit(130)
    })
  }
  for (const untilMs = Date.now() + START_MS; Date.now() < untilMs; await sleep(50)) {
    const kept = readKept()
    if (kept !== undefined) {
      show(kept)
      if (kept.pid === 0) writeKept(undefined)
      return kept.servers.every(({ problem }) => problem === undefined) ? 0 : 1
    }
    if (keeper.exitCode !== null) break
  }
  if (keeper.exitCode === null) keeper.kill('SIGTERM')
  console.error('the servers did not start')
  return 1
}

async function down(): Promise<number> {
  const kept = readKept()
  if (kept !== undefined && isAlive(kept.pid)) {
    process.kill(kept.pid, 'SIGTERM')
    for (const untilMs = Date.now() + 15_000; isAlive(kept.pid); await sleep(30)) {
      if (Date.now() > untilMs) {
        console.error(`process ${kept.pid} did not end within 15 s`)
        return 1
      }
    }
    console.log('stopped')
  } else console.log('nothing runs')
  writeKept(undefined)
  return 0
}

async function status(): Promise<number> {
  const kept = readKept()
  const running = kept !== undefined && isAlive(kept.pid) ? kept : undefined
  if (running !== undefined) show(running)
  for (const name of backendNames) {
    if (running?.servers.some((server) => server.name === name)) continue
    const location = await locate(name)
    if (location.available) console.log(`${name}: not running; can be had from ${location.source.type}`)
    else console.log(`${name}: can't be had (${location.reason}). ${location.remedy}`)
  }
  return 0
}

const [command, ...rest] = process.argv.slice(2)
const unknown = rest.filter((name) => !backendNames.includes(name as BackendName))
if (unknown.length > 0) {
  console.error(`no server is called ${unknown.join(', ')}; there are ${backendNames.join(', ')}\n${USAGE}`)
  process.exitCode = 2
} else if (command === 'up') process.exitCode = await up(rest.length > 0 ? (rest as BackendName[]) : backendNames)
else if (command === 'down') process.exitCode = await down()
else if (command === 'status') process.exitCode = await status()
else {
  console.error(USAGE)
  process.exitCode = 2
}
