// Schedules that aim at one race each, for bugs that a random plan meets once in many thousands of seeds. The host with number 0 starts first and
// leads while nothing strikes it; who owns an actor is settled by moving it by hand first. Times are drawn around the edge where the race is.

import type { Guarantee } from '@cajun/core/adapter'
import type { Fault } from '../src/faults.ts'
import type { Action } from '../src/workload.ts'
import type { Script } from './mutation.ts'

const LEADER = 0
const OWNER = 1
const OTHER = 2
const SENDER = 3

/** By when a move by hand is over in calm weather. */
const SETTLED_MS = 400

function sorted(faults: readonly Fault[]): Fault[] {
  return [...faults].sort((a, b) => a.atMs - b.atMs)
}

function moveTo(host: number, atMs: number, actor = 0): Fault {
  return { kind: 'migrate', atMs, actor, host, backAfterMs: undefined }
}

/** One host that talks to one actor, at a steady pace. */
export function steady(options: {
  readonly host: number
  readonly actor: number
  readonly fromMs: number
  readonly untilMs: number
  readonly everyMs: number
  readonly form?: Action['form']
  readonly guarantee?: Guarantee
  readonly act?: Action['act']
}): Action[] {
  const { host, actor, fromMs, untilMs, everyMs, form = 'send', guarantee = 'exactly-once', act = 'record' } = options
  const actions: Action[] = []
  for (let atMs = fromMs; atMs < untilMs; atMs += everyMs) {
    actions.push({ atMs, host, actor, form, guarantee, act, timeoutMs: 5_000, abortAfterMs: undefined, size: 5, relay: undefined })
  }
  return actions
}

/**
 * An owner is cut off from the store, another takes over and dies, and the first registers again just in time to be named anew, without having
 * seen that there was another: its watch lags, and its way to the store is slow.
 */
export const missesTheTenureBetween: Script = (random, scenario) => {
  const { ttlMs, beginMs } = scenario
  const cutMs = beginMs + random.between(200, 600)
  const crashMs = cutMs + random.between(1.1, 1.6) * ttlMs
  const mendMs = crashMs + ttlMs + random.between(-700, 250)
  const factor = Math.round(random.between(5, 150))
  const faults: Fault[] = [
    { kind: 'store-cut', atMs: cutMs, host: OWNER, which: 'both', lastsMs: mendMs - cutMs },
    { kind: 'store-slow', atMs: cutMs, host: OWNER, factor, watchLagMs: 2 * ttlMs, lastsMs: mendMs - cutMs + 1.5 * ttlMs },
    { kind: 'crash', atMs: crashMs, host: random.pick([LEADER, OTHER]), silent: random.chance(0.5), lastsMs: 3 * ttlMs },
  ]
  if (random.chance(0.3)) faults.push({ kind: 'crash', atMs: crashMs + 1, host: OTHER, silent: true, lastsMs: 3 * ttlMs })
  const healMs = mendMs + 3 * ttlMs
  const talking = scenario.actors.flatMap((_, actor) =>
    [LEADER, OTHER].flatMap((host) => steady({ host, actor, fromMs: beginMs, untilMs: healMs, everyMs: 170 + 10 * actor })),
  )
  return { faults: sorted(faults), healMs, actions: talking.sort((a, b) => a.atMs - b.atMs) }
}

/**
 * A node comes back, and shards move to it: their copies arrive whole, and the report of that never comes to the leader, who aborts the moves. The owner
 * goes on and dies; the target, which has missed all of that, is named.
 */
export const keepsTheCopyOfAnAbortedMove: Script = (random, scenario) => {
  const { ttlMs, beginMs, actors } = scenario
  const downMs = 1.5 * ttlMs
  const returnMs = beginMs + downMs
  const abortMs = returnMs + 2 * ttlMs
  const crashMs = abortMs + random.between(60, 350)
  const faults: Fault[] = [
    { kind: 'crash', atMs: beginMs, host: OTHER, silent: false, lastsMs: downMs },
    { kind: 'cut', atMs: returnMs, from: OWNER, to: LEADER, bothWays: false, lastsMs: 2.2 * ttlMs },
    { kind: 'store-gap', atMs: abortMs - 400, host: OTHER, lastsMs: 3_500 },
    { kind: 'crash', atMs: crashMs, host: OWNER, silent: random.chance(0.5), lastsMs: 4 * ttlMs },
  ]
  const healMs = crashMs + 2.5 * ttlMs
  const talking = actors.flatMap((_, actor) => steady({ host: LEADER, actor, fromMs: beginMs, untilMs: healMs, everyMs: 50 + 7 * actor }))
  return { faults: sorted(faults), healMs, actions: talking.sort((a, b) => a.atMs - b.atMs) }
}

/**
 * The report of a move that was aborted comes to the leader when the next move of the same actor is under way, and the way between source and target
 * is cut by then.
 */
export const reportsAMoveTooLate: Script = (random, scenario) => {
  const { ttlMs, beginMs, actors } = scenario
  const moveMs = beginMs + 2 * SETTLED_MS
  const abortMs = moveMs + 2 * ttlMs
  const againMs = abortMs + random.between(20, 300)
  const faults: Fault[] = [
    ...actors.map((_, actor) => moveTo(OWNER, beginMs + 2 * actor, actor)),
    { kind: 'cut', atMs: moveMs, from: OWNER, to: LEADER, bothWays: false, lastsMs: againMs - moveMs + random.between(5, 300) },
    ...actors.map((_, actor) => moveTo(OTHER, moveMs + 2 * actor, actor)),
    { kind: 'cut', atMs: abortMs - 100, from: OWNER, to: OTHER, bothWays: false, lastsMs: 1_500 },
    ...actors.map((_, actor) => moveTo(OTHER, againMs + 2 * actor, actor)),
  ]
  const healMs = againMs + 2 * ttlMs
  const talking = actors.flatMap((_, actor) => steady({ host: SENDER, actor, fromMs: beginMs, untilMs: healMs, everyMs: 60 + 7 * actor }))
  return { faults: sorted(faults), healMs, actions: talking.sort((a, b) => a.atMs - b.atMs) }
}

/**
 * Messages for the first owner are held up on the way while the actor moves on, handles them there, and comes back after its second owner died: with
 * nothing left that says that they were handled.
 */
export const heldUpUntilTheActorIsBack: Script = (random, scenario) => {
  const { ttlMs, beginMs, actors, network } = scenario
  const cutMs = beginMs + 2 * SETTLED_MS
  const moveMs = cutMs + random.between(20, 120)
  const crashMs = moveMs + random.between(150, 500)
  const backMs = crashMs + ttlMs + random.between(300, 900)
  const faults: Fault[] = [
    ...actors.map((_, actor) => moveTo(OWNER, beginMs + 2 * actor, actor)),
    { kind: 'cut', atMs: cutMs, from: SENDER, to: OWNER, bothWays: false, lastsMs: backMs - cutMs },
    ...actors.map((_, actor) => moveTo(OTHER, moveMs + 2 * actor, actor)),
    { kind: 'crash', atMs: crashMs, host: OTHER, silent: random.chance(0.3), lastsMs: 5 * ttlMs },
  ]
  const healMs = backMs + 1.5 * ttlMs
  const talking = actors.flatMap((_, actor) =>
    steady({ host: SENDER, actor, fromMs: beginMs + SETTLED_MS, untilMs: crashMs - 50, everyMs: 25 + 3 * actor }),
  )
  return {
    faults: sorted(faults),
    healMs,
    // As over a broker: what waits at the cut outlives its connection.
    network: { ...network, ordered: false },
    linkRetentionMs: 20 * ttlMs,
    actions: talking.sort((a, b) => a.atMs - b.atMs),
  }
}

/** The store is down long enough for every session to end, and nothing else happens. */
export const storeDownAlone: Script = (random, scenario) => {
  const { ttlMs, beginMs } = scenario
  const downMs = beginMs + random.between(200, 900)
  const lastsMs = random.between(1.1, 2.5) * ttlMs
  return {
    faults: [{ kind: 'store-down', atMs: downMs, lastsMs }],
    healMs: downMs + lastsMs + 3 * ttlMs,
    sourceRetentionMs: 3_600 * ttlMs,
    store: { ...scenario.store, agesWhileDown: true, doubtChance: 0 },
  }
}

/**
 * A link is lost while its messages wait in a mailbox, and they come again behind them: the first is handled, acknowledged and forgotten before the
 * second one's turn begins.
 */
export const comesAgainBehindItself: Script = (random, scenario) => {
  const { ttlMs, beginMs, actors } = scenario
  const cutMs = beginMs + random.between(600, 900)
  const lastsMs = random.between(0.75, 1.3) * ttlMs
  const healMs = cutMs + lastsMs + 300
  const talking = actors.flatMap((_, actor) => [
    ...steady({ host: OTHER, actor, fromMs: beginMs + 300, untilMs: cutMs + 2 * ttlMs, everyMs: 150, act: 'slow' }).map((action) => ({
      ...action,
      size: 240,
    })),
    ...steady({ host: SENDER, actor, fromMs: beginMs + 300, untilMs: cutMs + 5, everyMs: 31 }),
  ])
  return {
    faults: [0, 1].map((host): Fault => ({ kind: 'cut', atMs: cutMs, from: SENDER, to: host, bothWays: true, lastsMs })),
    healMs,
    linkRetentionMs: Math.round(0.7 * ttlMs),
    actions: talking.sort((a, b) => a.atMs - b.atMs),
  }
}

/**
 * Answers wait at a cut while their owner loses its session and another starts the actors afresh: they come to a sender that has sent everything once
 * more, to the new owner. The connection has not noticed anything.
 */
export const answersOfAnEarlierTenure: Script = (random, scenario) => {
  const { ttlMs, beginMs, actors, store, network } = scenario
  const cutMs = beginMs + random.between(300, 500)
  const storeCutMs = cutMs + random.between(0, 100)
  const mendMs = storeCutMs + random.between(0.75, 1.5) * ttlMs
  const healMs = mendMs + 1.5 * ttlMs
  const talking = actors.flatMap((_, actor) =>
    steady({ host: SENDER, actor, fromMs: cutMs + 1, untilMs: cutMs + 100, everyMs: 4, form: 'ask', act: 'slow' }).map((action) => ({
      ...action,
      size: 15,
    })),
  )
  return {
    faults: sorted([
      { kind: 'cut', atMs: cutMs, from: OWNER, to: SENDER, bothWays: false, lastsMs: mendMs - cutMs },
      { kind: 'store-cut', atMs: storeCutMs, host: OWNER, which: 'both', lastsMs: 1.5 * ttlMs },
    ]),
    healMs,
    store: { ...store, latencyMs: 0.3, watchLagMs: 0.5, doubtChance: 0 },
    network: { ...network, heartbeatTimeoutMs: 6 * ttlMs },
    actions: talking.sort((a, b) => a.atMs - b.atMs),
  }
}

/** A leader stalls between its two reads for longer than its lease; a node comes back, and the next leader gives it something to own. */
export const stallsBetweenTwoReads: Script = (random, scenario) => {
  const { ttlMs, beginMs, store, actors } = scenario
  const stallMs = beginMs + 1.5 * ttlMs
  const lastsMs = random.between(1.15, 2.2) * ttlMs
  const healMs = stallMs + lastsMs + 2 * ttlMs
  return {
    faults: sorted([
      { kind: 'crash', atMs: beginMs, host: OTHER, silent: false, lastsMs: stallMs - beginMs + random.between(0, 700) },
      // What makes the leader read: a management operation.
      ...[8, 5, 3].map((before, n) => moveTo(OWNER, stallMs - before - random.between(0, 3), n)),
      { kind: 'pause', atMs: stallMs, host: LEADER, how: 'stall', lastsMs },
    ]),
    healMs,
    store: { ...store, latencyMs: 5, watchLagMs: 5, doubtChance: 0 },
    actions: actors
      .flatMap((_, actor) =>
        [OWNER, SENDER].flatMap((host) => steady({ host, actor, fromMs: stallMs - 500, untilMs: healMs, everyMs: 60 + actor })),
      )
      .sort((a, b) => a.atMs - b.atMs),
  }
}

/** One node hears nothing from the store, while actors move between others: it learns of that from those that it sends to. */
export const sendsByAnOldView: Script = (random, scenario) => {
  const { ttlMs, beginMs, actors } = scenario
  const gapMs = beginMs + 600
  const moveMs = gapMs + random.between(50, 400)
  const healMs = moveMs + 2.8 * ttlMs
  const talking = actors.flatMap((_, actor) =>
    steady({ host: SENDER, actor, fromMs: beginMs, untilMs: moveMs + 0.5 * ttlMs, everyMs: 40 }).map((action) => ({
      ...action,
      timeoutMs: 1_200,
    })),
  )
  return {
    faults: sorted([
      ...actors.map((_, actor) => moveTo(OWNER, beginMs + 2 * actor, actor)),
      { kind: 'store-gap', atMs: gapMs, host: SENDER, lastsMs: 2.8 * ttlMs },
      ...actors.map((_, actor) => moveTo(OTHER, moveMs + 2 * actor, actor)),
    ]),
    healMs,
    actions: talking.sort((a, b) => a.atMs - b.atMs),
  }
}

/** As above, with actors that go on without a lease. */
export const storeDownUnderLastingActors: Script = (random, scenario) => {
  const outage = storeDownAlone(random, scenario)
  const actors = ['lasting/a0', 'lasting/a1', 'lasting/a2', 'lasting/a3']
  const talking = actors.flatMap((_, actor) =>
    [LEADER, OWNER].flatMap((host) => steady({ host, actor, fromMs: scenario.beginMs, untilMs: outage.healMs ?? 0, everyMs: 50 })),
  )
  return { ...outage, actors, actions: talking.sort((a, b) => a.atMs - b.atMs) }
}

/** A process is taken for dead while it stalls for less than its lease, and another starts under its node id. */
export const twinOfALiveProcess: Script = (random, scenario) => {
  const atMs = scenario.beginMs + random.between(100, 500)
  return {
    faults: [{ kind: 'twin', atMs, host: OWNER, lastsMs: random.between(0.1, 0.6) * scenario.ttlMs }],
    healMs: atMs + 3 * scenario.ttlMs,
  }
}

/** Actors are registered; then the nodes that own them die one after another. */
export const registeredActorsLoseTheirOwners: Script = (random, scenario) => {
  const { ttlMs, beginMs } = scenario
  const actors = Array.from({ length: 8 }, (_, n) => `cell/a${n}`)
  const registering = actors.flatMap((_, actor) =>
    steady({ host: LEADER, actor, fromMs: beginMs, untilMs: beginMs + 1, everyMs: 10, form: 'register' }),
  )
  return {
    actors,
    faults: sorted([
      { kind: 'crash', atMs: beginMs + random.between(600, 900), host: OWNER, silent: false, lastsMs: 4 * ttlMs },
      { kind: 'crash', atMs: beginMs + random.between(900, 1_200), host: OTHER, silent: true, lastsMs: 4 * ttlMs },
    ]),
    healMs: beginMs + 3 * ttlMs,
    actions: registering,
  }
}

/** Messages of which their owners die, one after the other. */
export const poisonAlone: Script = (random, scenario) => ({
  faults: [0, 1].map((n): Fault => ({ kind: 'poison', atMs: scenario.beginMs + n * random.between(10, 500), host: SENDER, actor: n })),
  healMs: scenario.beginMs + 9 * scenario.ttlMs,
})
