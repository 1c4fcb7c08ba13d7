// A process of its own for tests that kill, stop and freeze real processes: a TypeScript file run from source, called over IPC, and in any
// case gone when the test is. The child's half is child-api.ts.

import { type ChildProcess, fork } from 'node:child_process'

const running = new Set<ChildProcess>()
let cleaning = false

/** Whatever happens to the test runner, no child outlives it. */
function cleanUpAtExit(): void {
  if (cleaning) return
  cleaning = true
  process.on('exit', () => {
    for (const child of running) child.kill('SIGKILL')
  })
}

export interface ChildExit {
  readonly code: number | null
  readonly signal: NodeJS.Signals | null
}

export interface ChildOptions {
  readonly args?: readonly string[]
  /** For the start, and for each call. Default 20 s. */
  readonly timeoutMs?: number
}

interface Pending {
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

export class ChildNode implements AsyncDisposable {
  readonly #child: ChildProcess
  readonly #timeoutMs: number
  readonly #pending = new Map<number, Pending>()
  readonly exited: Promise<ChildExit>
  /** What the child reported by `report`, in order. */
  readonly reports: unknown[] = []
  onReport: ((report: unknown) => void) | undefined
  #output = ''
  #nextId = 1

  private constructor(child: ChildProcess, timeoutMs: number) {
    this.#child = child
    this.#timeoutMs = timeoutMs
    running.add(child)
    this.exited = new Promise((resolve) => {
      child.on('exit', (code, signal) => {
        running.delete(child)
        for (const pending of this.#pending.values()) pending.reject(new Error(`the child is gone (${signal ?? code})${this.#tail()}`))
        this.#pending.clear()
        resolve({ code, signal })
      })
    })
    child.on('error', () => {})
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (chunk) => {
        this.#output = (this.#output + String(chunk)).slice(-20_000)
      })
    }
    child.on('message', (message) => this.#message(message as { id?: number; value?: unknown; error?: string; report?: unknown }))
  }

  /** Runs `script` (a file URL) and resolves when it called `serve`. */
  static async start(script: URL, options: ChildOptions = {}): Promise<ChildNode> {
    cleanUpAtExit()
    const child = fork(script, [...(options.args ?? [])], {
      execArgv: ['--conditions=@cajun/source', '--disable-warning=ExperimentalWarning', '--enable-source-maps'],
      stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
      serialization: 'advanced',
    })
    const node = new ChildNode(child, options.timeoutMs ?? 20_000)
    try {
      await node.#answer(0, 'start')
    } catch (error) {
      await node.kill()
      throw error
    }
    return node
  }

  get pid(): number {
    return this.#child.pid ?? -1
  }

  /** What it wrote to stdout and stderr, the end of it. */
  get output(): string {
    return this.#output
  }

  /** Calls a function that the child serves. */
  call<T = unknown>(method: string, ...args: unknown[]): Promise<T> {
    const id = this.#nextId++
    const answer = this.#answer(id, method)
    this.#child.send({ id, method, args }, (error) => {
      if (error) this.#pending.get(id)?.reject(error)
    })
    return answer as Promise<T>
  }

  /** SIGSTOP: it stands still in the middle of whatever it does. */
  freeze(): void {
    this.#child.kill('SIGSTOP')
  }

  thaw(): void {
    this.#child.kill('SIGCONT')
  }

  /** SIGKILL, and waits until it is gone. */
  async kill(): Promise<ChildExit> {
    this.#child.kill('SIGKILL')
    return this.exited
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }

  #answer(id: number, what: string): Promise<unknown> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(
        () => settle(reject, new Error(`${what}: no answer from the child within ${this.#timeoutMs} ms${this.#tail()}`)),
        this.#timeoutMs,
      )
      const settle = <V>(how: (value: V) => void, value: V): void => {
        clearTimeout(timer)
        this.#pending.delete(id)
        how(value)
      }
      this.#pending.set(id, { resolve: (value) => settle(resolve, value), reject: (error) => settle(reject, error) })
    })
  }

  #message(message: { id?: number; value?: unknown; error?: string; report?: unknown }): void {
    if (message.id === undefined) {
      this.reports.push(message.report)
      this.onReport?.(message.report)
      return
    }
    const pending = this.#pending.get(message.id)
    if (message.error !== undefined) pending?.reject(new Error(message.error))
    else pending?.resolve(message.value)
  }

  #tail(): string {
    return this.#output === '' ? '' : `; it wrote:\n${this.#output.slice(-2_000)}`
  }
}
