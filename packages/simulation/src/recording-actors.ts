// The actors that a run is about. They do what their messages say and note each turn in the history; their state is the number of its life and how
// many turns it has seen, which is all that is needed to tell whether it was lost, doubled or set back.

import { type ActorDefinition, type Context, defineActor } from '@cajun/core'
import type { History, SendRecord, TurnRecord } from './history.ts'
import type { Act, Action } from './workload.ts'

export interface Order {
  readonly message: number
  readonly act: Act
  readonly size: number
  readonly relay?: Action['relay']
  readonly filler?: string
  /** Of a message that a turn sent: found again in the frame with which it leaves. */
  readonly mark?: string
}

export interface Answer {
  readonly message: number
  readonly life: number
  readonly count: number
}

export interface RecordedState {
  readonly life: number
  count: number
  /** Messages that were put aside once already. */
  aside: number[]
}

export interface Recorder {
  readonly history: History
  readonly process: string
  born(actor: string): number
  /** Notes the turn with what is true of its owner at this moment. */
  turn(actor: string, message: number, life: number, count: number, how: 'plain' | 'stash' | 'unstashed'): TurnRecord | undefined
  turnEnded(turn: TurnRecord | undefined): void
  /** In this world's time, as the process's timers have it. */
  pause(ms: number): Promise<void>
  /** Of its process. */
  now(): number
  /** Another actor to send to from within a turn. */
  relayTarget(order: Order, fromActor: string): { readonly kind: string; readonly id: string } | undefined
  sentInside(order: Order, target: string): SendRecord
  ended(send: SendRecord, outcome: Promise<unknown>): Promise<void>
}

export const TURN_TIMEOUT_MS = 700

/** No part of another one, nor of a number. */
export function markOf(message: number): string {
  return `<sent:${message}>`
}

/** Handlers are shared by several definitions. */
type Ctx = Context<RecordedState>

/** `cell` keeps its state until it is lost; `brief` is passivated when idle, and restarts when its handler throws. */
export function recordingActors(recorder: Recorder): readonly ActorDefinition[] {
  const { history } = recorder
  const addressOf = (ctx: Ctx): string => `${ctx.self.kind}/${ctx.self.id}`

  let turn: TurnRecord | undefined
  const note = (ctx: Ctx, message: number, how: 'plain' | 'stash' | 'unstashed'): Answer => {
    ctx.state.count++
    turn = recorder.turn(addressOf(ctx), message, ctx.state.life, ctx.state.count, how)
    return { message, life: ctx.state.life, count: ctx.state.count }
  }

  const relay = async (ctx: Ctx, order: Order): Promise<void> => {
    const target = recorder.relayTarget(order, addressOf(ctx))
    if (target === undefined || order.relay === undefined) return
    const { form, guarantee } = order.relay
    const send = recorder.sentInside(order, `${target.kind}/${target.id}`)
    const payload: Order = { message: send.message, act: 'record', size: 0, mark: markOf(send.message) }
    const ref = ctx.ref(target.kind, target.id)
    const options = { guarantee, timeoutMs: send.timeoutMs }
    if (form === 'tell') {
      ref.tell('order', payload, options)
      history.ended(send.message, 'accepted')
    } else await recorder.ended(send, ref.ask('order', payload, options))
  }

  /** A turn that runs out of time takes the activation with it, and that says so nowhere else. */
  const noteTimeout = (ctx: Ctx): void => {
    const { life } = ctx.state
    const startedMs = recorder.now()
    const own = turn
    ctx.signal.addEventListener('abort', () => {
      // Of the activation: it is aborted when that ends, too, long after this turn.
      if (own?.endedAtMs !== undefined || recorder.now() - startedMs < TURN_TIMEOUT_MS - 1) return
      history.gaveUp(life, 'its turn ran out of time')
      recorder.turnEnded(own)
    })
  }

  const act = (ctx: Ctx, order: Order): Answer | Promise<Answer> | undefined => {
    const { message, act: what } = order
    if (what === 'stash') {
      if (!ctx.state.aside.includes(message)) {
        ctx.state.aside.push(message)
        note(ctx, message, 'stash')
        ctx.stash()
        ctx.timers.once('unstash', order.size, undefined, `unstash-${message}`)
        return undefined
      }
      return note(ctx, message, 'unstashed')
    }
    const answer = note(ctx, message, 'plain')
    if (what === 'hang' || what === 'slow' || what === 'relay') noteTimeout(ctx)
    switch (what) {
      case 'slow':
        return recorder.pause(order.size).then(() => answer)
      case 'hang':
        return recorder.pause(TURN_TIMEOUT_MS * 3).then(() => answer)
      case 'relay':
        return relay(ctx, order).then(() => answer)
      case 'timer':
        ctx.timers.once('tick', order.size, undefined, `tick-${message}`)
        return answer
      case 'fail':
        if (ctx.self.kind === 'brief') history.gaveUp(ctx.state.life, 'restarted')
        throw new Error(`message ${message} was made to fail`)
      default:
        return answer
    }
  }

  /** As above, with the end of the turn noted: an acknowledgement may not come before. */
  const perform = (ctx: Ctx, order: Order): Answer | Promise<Answer> | undefined => {
    turn = undefined
    let pending: Answer | Promise<Answer> | undefined
    try {
      pending = act(ctx, order)
    } finally {
      if (!(pending instanceof Promise)) recorder.turnEnded(turn)
    }
    const own = turn
    return pending instanceof Promise ? pending.finally(() => recorder.turnEnded(own)) : pending
  }

  const spec = (kind: string) => ({
    state: (id: string): RecordedState => ({ life: recorder.born(`${kind}/${id}`), count: 0, aside: [] }),
    turnTimeoutMs: TURN_TIMEOUT_MS,
    messages: {
      order: (ctx: Ctx, order: Order) => perform(ctx, order),
      unstash: (ctx: Ctx) => ctx.unstash(),
      tick: (_ctx: Ctx) => undefined,
      look: (ctx: Ctx): { life: number; count: number } => ({ life: ctx.state.life, count: ctx.state.count }),
    },
  })
  return [
    defineActor('cell', spec('cell')),
    defineActor('brief', {
      ...spec('brief'),
      idleTimeoutMs: 400,
      supervision: 'restart' as const,
      onPassivate: (ctx: Ctx) => history.gaveUp(ctx.state.life, 'passivated'),
    }),
  ]
}
