// What the actors of a run are asked to do: a list made before the run begins, from the seed's workload stream alone.

import type { Guarantee } from '@cajun/core/adapter'
import type { RandomStream } from './random-streams.ts'

export type Act =
  | 'record'
  /** The turn takes a while. */
  | 'slow'
  /** The turn sends on to an actor of a higher number: awaits it when asked to. */
  | 'relay'
  /** The handler throws. */
  | 'fail'
  /** The message is put aside, and taken up again after a while. */
  | 'stash'
  /** Sets a timer; its message does the recording. */
  | 'timer'
  /** The turn goes past its time-out. */
  | 'hang'
  /** Carries half a kilobyte to a few. */
  | 'large'
  /** Asks a child of the actor, which it starts when it has none. */
  | 'child'
  /** The handler takes its process with it. */
  | 'poison'
  /** Watches the actor that `relay` names, and asks it something. Of these four: see `watching-plan.ts`. */
  | 'watch'
  | 'unwatch'
  /** Tells the actor that `relay` names something, and stops. */
  | 'end'
  /** The handler throws what its actor does not survive. */
  | 'give-up'

export interface Action {
  readonly atMs: number
  /** A number, modulo the hosts. */
  readonly host: number
  /** A number, modulo the actors. */
  readonly actor: number
  readonly form: 'tell' | 'send' | 'ask' | 'register'
  readonly guarantee: Guarantee
  readonly act: Act
  readonly timeoutMs: number
  /** Its signal fires so long after it was sent. */
  readonly abortAfterMs: number | undefined
  /** How long `slow` takes; how much `large` carries. */
  readonly size: number
  /** Of `relay` the actor is a number modulo those that follow, of the acts of watching its place in the list. */
  readonly relay: { readonly actor: number; readonly form: 'tell' | 'ask'; readonly guarantee: Guarantee } | undefined
}

export interface WorkloadOptions {
  readonly fromMs: number
  readonly untilMs: number
  readonly count: number
  readonly hosts: number
  readonly actors: number
}

export function planWorkload(random: RandomStream, options: WorkloadOptions): Action[] {
  const actions: Action[] = []
  // Streams: a host that talks to one actor in bursts shows order and duplicates better than even noise does.
  while (actions.length < options.count) {
    const host = random.below(options.hosts)
    const actor = random.below(options.actors)
    const startMs = random.between(options.fromMs, options.untilMs)
    const burst = random.chance(0.4) ? 1 : 2 + random.below(14)
    const gapMs = random.chance(0.5) ? 0 : random.between(1, 80)
    for (let i = 0; i < burst && actions.length < options.count; i++) actions.push(planOne(random, host, actor, startMs + i * gapMs))
  }
  return actions
}

function planOne(random: RandomStream, host: number, actor: number, atMs: number): Action {
  const act = random.weighted<Act>([
    ['record', 60],
    ['slow', 10],
    ['relay', 12],
    ['fail', 3],
    ['stash', 5],
    ['timer', 3],
    ['hang', 0.3],
    ['large', 5],
    ['child', 5],
  ])
  return {
    atMs: Math.round(atMs * 100) / 100,
    host,
    actor,
    form: random.weighted([
      ['tell', 4],
      ['send', 4],
      ['ask', 5],
      ['register', 0.3],
    ] as const),
    guarantee: guarantee(random),
    act,
    timeoutMs: Math.round(random.chance(0.15) ? random.between(20, 600) : random.between(3_000, 6_000)),
    abortAfterMs: random.chance(0.06) ? Math.round(random.between(0, 100)) : undefined,
    size: act === 'large' ? Math.round(random.between(500, 6_000)) : Math.round(random.between(1, random.chance(0.1) ? 400 : 30)),
    relay:
      act === 'relay'
        ? { actor: random.below(1_000), form: random.pick(['tell', 'ask'] as const), guarantee: guarantee(random) }
        : undefined,
  }
}

function guarantee(random: RandomStream): Guarantee {
  return random.weighted<Guarantee>([
    ['exactly-once', 6],
    ['at-least-once', 2],
    ['at-most-once', 2],
  ])
}
