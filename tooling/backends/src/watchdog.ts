// The process that holds one server: the server's parent, child of whoever uses it. When the channel to its user closes, however that user ended, it
// kills the server and removes its data. It has a session of its own, so that a Ctrl-C in the terminal reaches neither.
//
// Requests come in over the channel one at a time, and are answered under their number; what the server does by itself is told as `exit`.

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtempSync, openSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Command } from './server-kind.ts'

export type WatchdogRequest =
  | { readonly op: 'open' }
  | { readonly op: 'start'; readonly command: Command; readonly log: string }
  | { readonly op: 'signal'; readonly signal: 'SIGKILL' | 'SIGSTOP' | 'SIGCONT' | 'SIGTERM'; readonly awaitExit: boolean }
  /** What to run when the user is gone, for servers that are not children (containers). */
  | { readonly op: 'cleanup'; readonly argv: readonly string[] }

export type WatchdogMessage =
  | { readonly type: 'answer'; readonly id: number; readonly value?: string | number; readonly error?: string }
  | { readonly type: 'exit'; readonly how: string }

const dataDir = mkdtempSync(join(tmpdir(), 'cajun-backend-'))
let server: ChildProcess | undefined
let exited: Promise<void> = Promise.resolve()
let cleanup: readonly string[] | undefined

for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {})

function tell(message: WatchdogMessage): void {
  if (process.connected) process.send?.(message, undefined, undefined, () => {})
}

async function start(command: Command, log: string): Promise<number> {
  if (server !== undefined) throw new Error('the server runs already')
  for (const [name, content] of Object.entries(command.files ?? {})) writeFileSync(join(dataDir, name), content)
  const output = openSync(join(dataDir, log), 'a')
  const [program = '', ...args] = command.argv
  const child = spawn(program, args, {
    detached: true,
    stdio: ['ignore', output, output],
    cwd: dataDir,
    env: { ...process.env, ...command.env },
  })
  await new Promise((resolve, reject) => {
    child.once('spawn', resolve)
    child.once('error', reject)
  })
  server = child
  exited = new Promise((resolve) => {
    child.once('exit', (code, signal) => {
      server = undefined
      resolve()
      tell({ type: 'exit', how: signal ?? `exit code ${code}` })
    })
  })
  return child.pid as number
}

async function answer(request: WatchdogRequest): Promise<string | number | undefined> {
  if (request.op === 'open') return dataDir
  if (request.op === 'start') return start(request.command, request.log)
  if (request.op === 'cleanup') cleanup = request.argv
  if (request.op === 'signal' && server?.pid !== undefined) {
    // The group: some servers have children of their own.
    process.kill(-server.pid, request.signal)
    if (request.awaitExit) await exited
  }
  return undefined
}

process.on('message', ({ id, request }: { id: number; request: WatchdogRequest }) => {
  answer(request).then(
    (value) => tell({ type: 'answer', id, ...(value === undefined ? {} : { value }) }),
    (error: unknown) => tell({ type: 'answer', id, error: String(error) }),
  )
})

process.on('disconnect', async () => {
  if (server?.pid !== undefined) {
    process.kill(-server.pid, 'SIGKILL')
    await exited
  }
  const [program, ...args] = cleanup ?? []
  if (program !== undefined)
    await new Promise((resolve) => spawn(program, args, { stdio: 'ignore' }).on('exit', resolve).on('error', resolve))
  rmSync(dataDir, { recursive: true, force: true, maxRetries: 5 })
  process.exit(0)
})
