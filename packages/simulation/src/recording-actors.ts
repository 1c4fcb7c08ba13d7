// The actors that a run is about. They do what their messages say and note each turn in the history; their state is the number of its life and how
// many turns it has seen, which is all that is needed to tell whether it was lost, doubled or set back.

import {
  type ActorDefinition,
  type Context,
  type Directive,
  defineActor,
  type StopReason,
  type Terminated,
  type TerminationReason,
} from '@cajun/core'
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

export interface ActorName {
  readonly kind: string
  readonly id: string
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
  relayTarget(order: Order, fromActor: string): ActorName | undefined
  /** The actor that `relay` names by its place. */
  other(order: Order): ActorName
  sentInside(order: Order, target: string): SendRecord
  ended(send: SendRecord, outcome: Promise<unknown>): Promise<void>
  /** `question`: what the watcher has asked the watched one behind its watch. */
  watches(watcher: string, life: number, watched: string, question: number): void
  unwatches(watcher: string, life: number, watched: string): void
  told(watcher: string, life: number, watched: string, reason: TerminationReason): void
  /** The process dies here and now, while faults strike. */
  poisoned(): void
  mark(name: string): void
}

export const TURN_TIMEOUT_MS = 700

/** No part of another one, nor of a number. */
export function markOf(message: number): string {
  return `<sent:${message}>`
}

/** No actor survives to have thrown it. */
class GivesUp extends Error {}

/** Handlers are shared by several definitions. */
type Ctx = Context<RecordedState>

function nameOf({ kind, id }: ActorName): string {
  return `${kind}/${id}`
}

/** What is asked of it is counted in its own state, and by its parent: the two go wherever the parent goes, or are lost with it. */
const Child = defineActor('child', {
  state: (): { asked: number } => ({ asked: 0 }),
  messages: { ask: (ctx: Context<{ asked: number }>) => ++ctx.state.asked },
})

export interface RecordingOptions {
  /** Some are watched: how each of them ends is noted. */
  readonly watching: boolean
}

/**
 * `cell` keeps its state until it is lost; `brief` is passivated when idle, and restarts when its handler throws; `lasting` goes on without a lease, and
 * there may be two of it.
 */
export function recordingActors(recorder: Recorder, { watching }: RecordingOptions): readonly ActorDefinition[] {
  const { history } = recorder
  const addressOf = (ctx: Ctx): string => nameOf(ctx.self)

  let turn: TurnRecord | undefined
  const note = (ctx: Ctx, message: number, how: 'plain' | 'stash' | 'unstashed'): Answer => {
    ctx.state.count++
    turn = recorder.turn(addressOf(ctx), message, ctx.state.life, ctx.state.count, how)
    return { message, life: ctx.state.life, count: ctx.state.count }
  }

  /** Sends on as `relay` says. `ended` is there to be awaited when it was an ask. */
  const sendOn = (ctx: Ctx, order: Order, { kind, id }: ActorName): { readonly message: number; readonly ended?: Promise<void> } => {
    const send = recorder.sentInside(order, `${kind}/${id}`)
    const { message, form, guarantee, timeoutMs } = send
    const payload: Order = { message, act: 'record', size: 0, mark: markOf(message) }
    const ref = ctx.ref(kind, id)
    if (form === 'ask') return { message, ended: recorder.ended(send, ref.ask('order', payload, { guarantee, timeoutMs })) }
    ref.tell('order', payload, { guarantee, timeoutMs })
    history.ended(message, 'accepted')
    return { message }
  }

  const relay = async (ctx: Ctx, order: Order): Promise<void> => {
    const target = recorder.relayTarget(order, addressOf(ctx))
    if (target !== undefined) await sendOn(ctx, order, target).ended
  }

  const watch = (ctx: Ctx, order: Order): Promise<void> | undefined => {
    const other = recorder.other(order)
    ctx.watch(ctx.ref(other.kind, other.id), 'gone')
    const { message, ended } = sendOn(ctx, order, other)
    recorder.watches(addressOf(ctx), ctx.state.life, nameOf(other), message)
    return ended
  }

  const unwatch = (ctx: Ctx, order: Order): void => {
    const other = recorder.other(order)
    ctx.unwatch(ctx.ref(other.kind, other.id))
    recorder.unwatches(addressOf(ctx), ctx.state.life, nameOf(other))
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
    if (what === 'hang' || what === 'slow' || what === 'relay' || what === 'child' || what === 'watch') noteTimeout(ctx)
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
      case 'watch':
        return watch(ctx, order)?.then(() => answer) ?? answer
      case 'unwatch':
        unwatch(ctx, order)
        return answer
      case 'end':
        if (order.relay !== undefined) sendOn(ctx, order, recorder.other(order))
        ctx.stop()
        return answer
      case 'give-up':
        throw new GivesUp(`message ${message} was too much`)
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

  const spec = (kind: string, onFailure: Directive) => ({
    state: (id: string): RecordedState => ({ life: recorder.born(`${kind}/${id}`), count: 0, aside: [], asked: 0 }),
    turnTimeoutMs: TURN_TIMEOUT_MS,
    children: [Child],
    supervision: (error: unknown) => (error instanceof GivesUp ? 'stop' : onFailure),
    ...(watching && { onStop: (ctx: Ctx, reason: StopReason) => history.gaveUp(ctx.state.life, reason) }),
    messages: {
      gone: (ctx: Ctx, { kind: other, id, reason }: Terminated) =>
        recorder.told(addressOf(ctx), ctx.state.life, nameOf({ kind: other, id }), reason),
      order: (ctx: Ctx, order: Order) => perform(ctx, order),
      unstash: (ctx: Ctx) => ctx.unstash(),
      tick: (_ctx: Ctx) => undefined,
      look: (ctx: Ctx): { life: number; count: number } => ({ life: ctx.state.life, count: ctx.state.count }),
    },
  })
  return [
    defineActor('cell', spec('cell', 'resume')),
    defineActor('lasting', { ...spec('lasting', 'resume'), onStoreLoss: 'continue' as const }),
    defineActor('brief', {
      ...spec('brief', 'restart'),
      idleTimeoutMs: 400,
      onPassivate: (ctx: Ctx) => {
        recorder.mark('passivated')
        history.gaveUp(ctx.state.life, 'passivated')
      },
    }),
  ]
}
