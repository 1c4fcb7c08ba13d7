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
  /** What the actor's child said last of how often it was asked. */
  asked: number
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
  /** The process dies here and now, while faults strike. */
  poisoned(): void
  mark(name: string): void
}

export const TURN_TIMEOUT_MS = 700

/** No part of another one, nor of a number. */
export function markOf(message: number): string {
  return `<sent:${message}>`
}

/** Handlers are shared by several definitions. */
type Ctx = Context<RecordedState>

/** What is asked of it is counted in its own state, and by its parent: the two go wherever the parent goes, or are lost with it. */
const Child = defineActor('child', {
  state: (): { asked: number } => ({ asked: 0 }),
  messages: { ask: (ctx: Context<{ asked: number }>) => ++ctx.state.asked },
})

/**
 * `cell` keeps its state until it is lost; `brief` is passivated when idle, and restarts when its handler throws; `lasting` goes on without a lease, and
 * there may be two of it.
 */
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

  const askChild = async (ctx: Ctx): Promise<void> => {
    const known = ctx.children.get('c')
    const child = known ?? ctx.spawn(Child, 'c')
    if (known === undefined && ctx.state.asked > 0) {
      history.found(
        'I13',
        `the child of ${addressOf(ctx)} (life ${ctx.state.life}) is gone on ${recorder.process}, and its parent's state is there`,
      )
    }
    if (known !== undefined && history.lives.get(ctx.state.life)?.process !== recorder.process) recorder.mark('child moved with its parent')
    const { life } = ctx.state
    const asked = (await child.ask('ask', undefined, { timeoutMs: 300 })) as number
    if (asked !== ctx.state.asked + 1) {
      history.found(
        'I13',
        `the child of ${addressOf(ctx)} (life ${life}) was asked ${asked} times, by its own account, and ${ctx.state.asked + 1} times by its parent's`,
      )
    }
    ctx.state.asked = asked
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
      if (history.lives.get(ctx.state.life)?.process !== recorder.process) recorder.mark('stashed in a moved state')
      return note(ctx, message, 'unstashed')
    }
    const answer = note(ctx, message, 'plain')
    if (what === 'hang' || what === 'slow' || what === 'relay' || what === 'child') noteTimeout(ctx)
    switch (what) {
      case 'slow':
        return recorder.pause(order.size).then(() => answer)
      case 'child':
        return askChild(ctx).then(() => answer)
      case 'poison':
        recorder.poisoned()
        return answer
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
    state: (id: string): RecordedState => ({ life: recorder.born(`${kind}/${id}`), count: 0, aside: [], asked: 0 }),
    turnTimeoutMs: TURN_TIMEOUT_MS,
    children: [Child],
    messages: {
      order: (ctx: Ctx, order: Order) => perform(ctx, order),
      unstash: (ctx: Ctx) => ctx.unstash(),
      tick: (_ctx: Ctx) => undefined,
      look: (ctx: Ctx): { life: number; count: number } => ({ life: ctx.state.life, count: ctx.state.count }),
    },
  })
  return [
    defineActor('cell', spec('cell')),
    defineActor('lasting', { ...spec('lasting'), onStoreLoss: 'continue' as const }),
    defineActor('brief', {
      ...spec('brief'),
      idleTimeoutMs: 400,
      supervision: 'restart' as const,
      onPassivate: (ctx: Ctx) => {
        recorder.mark('passivated')
        history.gaveUp(ctx.state.life, 'passivated')
      },
    }),
  ]
}
