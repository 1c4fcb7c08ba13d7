// A server that is a process of this machine.

import type { Control } from './backend.ts'
import type { GuardedProcess } from './guarded-process.ts'
import type { Command } from './server-kind.ts'

export class ProcessControl implements Control {
  readonly port: number
  pid: number | undefined
  readonly #command: Command
  readonly #guard: GuardedProcess

  constructor(command: Command, port: number, guard: GuardedProcess) {
    this.#command = command
    this.port = port
    this.#guard = guard
  }

  get exit(): string | undefined {
    return this.#guard.exit
  }

  async start(): Promise<void> {
    this.pid = (await this.#guard.ask({ op: 'start', command: this.#command, log: 'server.log' })) as number
  }

  async kill(): Promise<void> {
    await this.#guard.ask({ op: 'signal', signal: 'SIGKILL', awaitExit: true })
    this.pid = undefined
  }

  async freeze(): Promise<void> {
    await this.#guard.ask({ op: 'signal', signal: 'SIGSTOP', awaitExit: false })
  }

  async thaw(): Promise<void> {
    await this.#guard.ask({ op: 'signal', signal: 'SIGCONT', awaitExit: false })
  }
}
