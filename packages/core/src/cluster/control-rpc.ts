// Questions between nodes over the control channel, with numbers, deadlines and answers. A question to this process itself takes the same way without the network.

import { ManagementError } from '../errors.ts'
import type { PeerId } from '../messaging/messaging-system.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { RpcMessage } from './control-messages.ts'

/** Answers one kind of question. What it rejects with reaches the asker as a `ManagementError` of the same words. */
export type RpcHandler = (args: never, from: PeerId) => unknown

export interface ControlRpcOptions {
  readonly runtime: Runtime
  readonly local: PeerId
  readonly send: (to: PeerId, message: RpcMessage) => void
}

interface Pending {
  readonly to: PeerId
  readonly op: string
  readonly timer: Timer
  readonly resolve: (value: unknown) => void
  readonly reject: (error: Error) => void
}

/** Why a question failed, beside what the other side said: the asker may try elsewhere. */
export class ControlRpcError extends ManagementError {
  /** `refused`: the other side answered no. The rest: whether it did what was asked is not known. */
  readonly reason: 'refused' | 'timeout' | 'gone' | 'closed'

  constructor(reason: ControlRpcError['reason'], message: string) {
    super(message)
    // Users meet it as what it extends.
    this.name = 'ManagementError'
    this.reason = reason
  }
}

export class ControlRpc {
  readonly #options: ControlRpcOptions
  readonly #handlers = new Map<string, RpcHandler>()
  readonly #pending = new Map<number, Pending>()
  #nextId = 1
  #closed = false

  constructor(options: ControlRpcOptions) {
    this.#options = options
  }

  handle(op: string, handler: RpcHandler): void {
    this.#handlers.set(op, handler)
  }

  request(to: PeerId, op: string, args: unknown, timeoutMs: number): Promise<unknown> {
    if (this.#closed) return Promise.reject(new ControlRpcError('closed', `${op}: this node is stopping`))
    const { runtime, local, send } = this.#options
    const id = this.#nextId++
    return new Promise((resolve, reject) => {
      const timer = runtime.setTimer(() => {
        this.#pending.delete(id)
        reject(new ControlRpcError('timeout', `${op}: node '${to.nodeId}' did not answer within ${Math.round(timeoutMs)} ms`))
      }, timeoutMs)
      this.#pending.set(id, { to, op, timer, resolve, reject })
      const message: RpcMessage = { t: 'request', id, op, args }
      try {
        if (to.processId === local.processId) void this.#answer(local, message)
        else send(to, message)
      } catch (error) {
        this.#end(id)?.reject(new ControlRpcError('gone', `${op}: node '${to.nodeId}' can't be reached: ${wordsOf(error)}`))
      }
    })
  }

  receive(from: PeerId, message: RpcMessage): void {
    if (message.t === 'request') {
      if (!this.#closed) void this.#answer(from, message)
      return
    }
    // Ids are ours alone, but only who was asked may answer.
    if (this.#pending.get(message.id)?.to.processId !== from.processId) return
    const pending = this.#end(message.id)
    if (message.ok) pending?.resolve(message.value)
    else pending?.reject(new ControlRpcError(message.reason === 'closed' ? 'gone' : 'refused', message.message))
  }

  /** The store says that this process is gone: it answers nothing any more. */
  peerGone(processId: string): void {
    for (const [id, pending] of [...this.#pending]) {
      if (pending.to.processId !== processId) continue
      this.#end(id)?.reject(new ControlRpcError('gone', `${pending.op}: node '${pending.to.nodeId}' left the cluster before it answered`))
    }
  }

  /** This process goes on under another id: answers to the former one reach nobody. */
  abandon(): void {
    for (const [id, pending] of [...this.#pending]) {
      this.#end(id)?.reject(
        new ControlRpcError('gone', `${pending.op}: this node left the cluster before node '${pending.to.nodeId}' answered`),
      )
    }
  }

  close(): void {
    this.#closed = true
    for (const [id, pending] of [...this.#pending]) {
      this.#end(id)?.reject(new ControlRpcError('closed', `${pending.op}: this node is stopping`))
    }
  }

  #end(id: number): Pending | undefined {
    const pending = this.#pending.get(id)
    this.#pending.delete(id)
    pending?.timer.cancel()
    return pending
  }

  async #answer(from: PeerId, { id, op, args }: RpcMessage & { t: 'request' }): Promise<void> {
    const response = await this.#outcome(from, id, op, args)
    if (from.processId === this.#options.local.processId) return this.receive(from, response)
    try {
      this.#options.send(from, response)
    } catch {
      // The asker is gone, or its deadline tells it.
    }
  }

  async #outcome(from: PeerId, id: number, op: string, args: unknown): Promise<RpcMessage> {
    const handler = this.#handlers.get(op)
    if (handler === undefined) {
      return {
        t: 'response',
        id,
        ok: false,
        reason: 'refused',
        message: `node '${this.#options.local.nodeId}' does not know '${op}'; is it of an older release?`,
      }
    }
    try {
      return { t: 'response', id, ok: true, value: await handler(args as never, from) }
    } catch (error) {
      const reason = error instanceof ControlRpcError && error.reason === 'closed' ? 'closed' : 'refused'
      return { t: 'response', id, ok: false, reason, message: wordsOf(error) }
    }
  }
}

function wordsOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
