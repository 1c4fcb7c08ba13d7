// The user's side of a watchdog: asks it to start and to signal its server. Nothing of it keeps the user's process alive.

import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { WatchdogMessage, WatchdogRequest } from './watchdog.ts'

const PATIENCE_MS = 20_000

export class GuardedProcess {
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, { resolve(value: string | number | undefined): void; reject(error: Error): void }>()
  readonly #ended: Promise<void>
  #ids = 0
  /** How the server ended, when it did so since its last start. */
  exit: string | undefined

  constructor() {
    // A fresh set of flags: the user's may name a debugger's port, a loader, a coverage folder.
    this.#child = fork(fileURLToPath(new URL('./watchdog.ts', import.meta.url)), [], {
      detached: true,
      stdio: ['ignore', 'ignore', 'ignore', 'ipc'],
      execArgv: ['--disable-warning=ExperimentalWarning'],
      env: { ...process.env, NODE_OPTIONS: '' },
    })
    this.#child.unref()
    this.#child.channel?.unref()
    this.#child.on('message', (message: WatchdogMessage) => this.#receive(message))
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', () => {
        for (const { reject } of this.#waiting.values()) reject(new Error('the watchdog of a server ended'))
        resolve()
      })
    })
  }

  async ask(request: WatchdogRequest): Promise<string | number | undefined> {
    const id = ++this.#ids
    if (request.op === 'start') this.exit = undefined
    this.#child.channel?.ref()
    let timer: NodeJS.Timeout | undefined
    try {
      return await new Promise((resolve, reject) => {
        this.#waiting.set(id, { resolve, reject })
        timer = setTimeout(() => reject(new Error(`the watchdog of a server did not answer '${request.op}'`)), PATIENCE_MS)
        this.#child.send({ id, request }, (error) => {
          if (error) reject(error)
        })
      })
    } finally {
      clearTimeout(timer)
      this.#waiting.delete(id)
      if (this.#waiting.size === 0) this.#child.channel?.unref()
    }
  }

  /** Kills the server and removes its data; resolves when nothing is left. */
  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return
    this.#child.ref()
    if (this.#child.connected) this.#child.disconnect()
    await this.#ended
  }

  #receive(message: WatchdogMessage): void {
    if (message.type === 'exit') {
      this.exit = message.how
      return
    }
    const waiting = this.#waiting.get(message.id)
    if (message.error === undefined) waiting?.resolve(message.value)
    else waiting?.reject(new Error(message.error))
  }
}
