// Who is asked to watch whom, and which of the watched come to an end: planned from a stream of its own, as `planWorkload` plans everything else.

import type { RandomStream } from './random-streams.ts'
import type { Act, Action } from './workload.ts'

export interface WatchingOptions {
  readonly fromMs: number
  readonly untilMs: number
  /** How many times an actor is asked to watch another one. Default: some in three seeds of ten. */
  readonly count: number | undefined
  readonly hosts: number
  readonly actors: readonly string[]
}

/** Share of the seeds that have any. */
const SHARE = 0.3

export function planWatching(random: RandomStream, { fromMs, untilMs, count, hosts, actors }: WatchingOptions): Action[] {
  const some = random.chance(SHARE) ? 3 + random.below(10) : 0
  // Of a kind that goes on without a lease there may be two, and either is right about what it sees.
  const eligible = [...actors.keys()].filter((index) => !(actors[index] as string).startsWith('lasting/'))
  if (eligible.length < 2) return []
  const actions: Action[] = []
  const plan = (act: Act, actor: number, other: number, atMs: number): void => {
    actions.push({
      atMs: Math.round(atMs * 100) / 100,
      host: random.below(hosts),
      actor,
      form: 'send',
      guarantee: 'exactly-once',
      act,
      timeoutMs: Math.round(random.between(3_000, 6_000)),
      abortAfterMs: undefined,
      size: 0,
      relay: { actor: other, form: act === 'watch' ? 'ask' : 'tell', guarantee: 'exactly-once' },
    })
  }
  for (let i = 0; i < (count ?? some); i++) {
    const watcher = random.pick(eligible)
    const watched = random.pick(eligible.filter((index) => index !== watcher))
    const atMs = random.between(fromMs, untilMs)
    const later = (): number => random.between(atMs, Math.min(untilMs, atMs + (random.chance(0.3) ? 30 : 3_000)))
    plan('watch', watcher, watched, atMs)
    if (random.chance(0.25)) plan('watch', watcher, watched, later())
    if (random.chance(0.15)) plan('unwatch', watcher, watched, later())
    if (random.chance(0.35)) plan(random.chance(0.75) ? 'end' : 'give-up', watched, watcher, later())
    if (random.chance(0.1)) plan('end', watcher, watched, later())
  }
  return actions
}
