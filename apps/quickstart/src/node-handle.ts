// The parent's side of a node process: starts it, sends it commands, kills it, and never leaves it behind.

import { type ChildProcess, fork } from 'node:child_process'
import type { Command, NodeOptions } from './node-protocol.ts'

const START_WITHIN_MS = 20_000

interface Waiting {
  resolve(value: unknown): void
  reject(error: Error): void
}

export class NodeHandle {
  readonly nodeId: string
  readonly ledger: string
  readonly #child: ChildProcess
  readonly #waiting = new Map<number, Waiting>()
  readonly #exited: Promise<void>
  #nextId = 1
  #expected = false
  /** How it ended, when nobody here had it end. */
  diedOf: string | undefined
  /** Resolves when it has joined its cluster; rejects when it ended before, or takes too long. */
  readonly ready: Promise<void>

  constructor(options: NodeOptions) {
    this.nodeId = options.nodeId
    this.ledger = options.ledger
    this.#child = fork(new URL('./node-process.ts', import.meta.url), [JSON.stringify(options)], {
      execArgv: ['--conditions=@cajun/source', '--disable-warning=ExperimentalWarning'],
    })
    this.#exited = new Promise((resolve) => this.#child.once('exit', () => resolve()))
    this.ready = this.#untilReady()
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  tell<T>(command: Command): Promise<T> {
    const id = this.#nextId++
    return new Promise<unknown>((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject })
      this.#child.send({ id, command }, (error) => {
        if (error !== null) reject(new Error(`${this.nodeId} can't be reached: ${error.message}`))
      })
    }) as Promise<T>
  }

  /** As if the power had gone: nothing runs any more in that process. */
  async kill(): Promise<void> {
    this.#expected = true
    this.#child.kill('SIGKILL')
    await this.#exited
  }

  /** As a long pause of the whole machine: nothing runs, no socket closes. */
  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  /** Leaves the cluster in good order. */
  async stop(): Promise<void> {
    this.#expected = true
    await this.tell({ do: 'stop' })
    await this.#exited
  }

  #untilReady(): Promise<void> {
    return new Promise((resolve, reject) => {
      const late = setTimeout(() => {
        this.#child.kill('SIGKILL')
        reject(new Error(`${this.nodeId} was not ready within ${START_WITHIN_MS} ms`))
      }, START_WITHIN_MS)
      this.#child.on('message', (message: Record<string, unknown>) => {
        if (message['ready'] !== undefined) {
          clearTimeout(late)
          resolve()
          return
        }
        const waiting = this.#waiting.get(message['id'] as number)
        this.#waiting.delete(message['id'] as number)
        if (message['error'] === undefined) waiting?.resolve(message['value'])
        else waiting?.reject(new Error(`${this.nodeId}: ${String(message['error'])}`))
      })
      this.#child.once('exit', (code, signal) => {
        clearTimeout(late)
        const error = new Error(`${this.nodeId} ended (${signal ?? `exit code ${code}`})`)
        reject(error)
        for (const waiting of this.#waiting.values()) waiting.reject(error)
        this.#waiting.clear()
        if (!this.#expected) this.diedOf = error.message
      })
    })
  }
}
