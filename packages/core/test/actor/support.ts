// A local system on a manual runtime, and a Message that writes down what is done to it.

import { ActorSystem, type ActorSystemOptions } from '../../src/actor/actor-system.ts'
import type { DeadLetter } from '../../src/actor/dead-letter.ts'
import type { Logger } from '../../src/actor/logger.ts'
import type { DeadLetterReason } from '../../src/delivery/dead-letter-reason.ts'
import type { Message } from '../../src/delivery/message.ts'
import type { ActorAddress } from '../../src/messaging/address.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

export interface LogLine {
  readonly level: string
  readonly message: string
  readonly fields: object | undefined
}

export function recordingLogger(lines: LogLine[]): Logger {
  const write = (level: string) => (message: string, fields?: object) => void lines.push({ level, message, fields })
  return { debug: write('debug'), info: write('info'), warn: write('warn'), error: write('error') }
}

export interface TestSystem extends AsyncDisposable {
  readonly runtime: ManualRuntime
  readonly system: ActorSystem
  readonly letters: DeadLetter[]
  readonly logs: LogLine[]
}

export function openSystem(options: ActorSystemOptions = {}): TestSystem {
  const runtime = new ManualRuntime()
  const logs: LogLine[] = []
  const system = new ActorSystem({ runtime, logger: recordingLogger(logs), ...options })
  const letters: DeadLetter[] = []
  system.onDeadLetter((letter) => letters.push(letter))
  return {
    runtime,
    system,
    letters,
    logs,
    async [Symbol.asyncDispose]() {
      const closed = system.close()
      await runtime.advanceAndSettle(120_000)
      await closed
    },
  }
}

/** Settles the runtime until the promise has an outcome. */
export async function outcome<T>(runtime: ManualRuntime, promise: Promise<T>): Promise<{ value?: T; error?: unknown }> {
  let result: { value?: T; error?: unknown } | undefined
  promise.then(
    (value) => {
      result = { value }
    },
    (error: unknown) => {
      result = { error }
    },
  )
  await runtime.settle()
  if (result === undefined) throw new Error('it is still pending')
  return result
}

export class FakeMessage implements Message {
  readonly type: string
  readonly payload: unknown
  isAsk = false
  isReliable = true
  sender: ActorAddress | undefined = undefined
  messageId = 'm-1'
  chain: readonly string[] | undefined = undefined
  beginsAs = true
  readonly events: string[] = []
  reply: unknown
  error: unknown

  constructor(type: string, payload?: unknown) {
    this.type = type
    this.payload = payload
  }

  begin(): boolean {
    this.events.push('begin')
    return this.beginsAs
  }

  handled(reply: unknown): void {
    this.events.push('handled')
    this.reply = reply
  }

  failed(error: unknown): void {
    this.events.push('failed')
    this.error = error
  }

  stashed(): void {
    this.events.push('stashed')
  }

  refused(reason: DeadLetterReason, error?: unknown): void {
    this.events.push(`refused ${reason}`)
    this.error = error
  }

  returned(): void {
    this.events.push('returned')
  }

  toSnapshot(): unknown {
    return { type: this.type, payload: this.payload }
  }
}

/** A promise that a test resolves when it likes. */
export function latch<T = void>(): { promise: Promise<T>; open: (value: T) => void; fail: (error: unknown) => void } {
  const { promise, resolve, reject } = Promise.withResolvers<T>()
  return { promise, open: resolve, fail: reject }
}
