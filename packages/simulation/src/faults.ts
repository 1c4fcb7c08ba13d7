// The fault schedule of a run: a list made before the run begins, from the seed's fault stream alone. Each seed enables a random subset of the
// kinds, because faults that are always there together hide each other. Striking is `fault-injector.ts`.

import type { RandomStream } from './random-streams.ts'

/** Hosts are named by their number, taken modulo the number of hosts, so that a schedule also fits fewer of them. */
export type Fault =
  | { readonly kind: 'crash'; readonly atMs: number; readonly host: Target; readonly silent: boolean; readonly lastsMs: number }
  /** In the next turn that wants to flush something, before it is flushed. */
  | { readonly kind: 'crash-before-flush'; readonly atMs: number; readonly host: Target; readonly lastsMs: number }
  | { readonly kind: 'pause'; readonly atMs: number; readonly host: Target; readonly how: 'stall' | 'suspend'; readonly lastsMs: number }
  | { readonly kind: 'pause-before-flush'; readonly atMs: number; readonly host: Target; readonly lastsMs: number }
  /** Armed at that time; strikes some time after the next handoff begins. */
  | {
      readonly kind: 'strike-handoff'
      readonly atMs: number
      readonly role: 'source' | 'target' | 'leader'
      readonly how: 'crash' | 'stall' | 'cut'
      readonly afterMs: number
      readonly lastsMs: number
    }
  | {
      readonly kind: 'cut'
      readonly atMs: number
      readonly from: Target
      readonly to: Target
      readonly bothWays: boolean
      readonly lastsMs: number
    }
  | { readonly kind: 'isolate'; readonly atMs: number; readonly host: Target; readonly withStore: boolean; readonly lastsMs: number }
  | {
      readonly kind: 'reset'
      readonly atMs: number
      readonly a: Target
      readonly b: Target
      readonly times: number
      readonly everyMs: number
    }
  | {
      readonly kind: 'slow'
      readonly atMs: number
      readonly from: Target
      readonly to: Target
      readonly factor: number
      readonly lastsMs: number
    }
  | {
      readonly kind: 'store-cut'
      readonly atMs: number
      readonly host: Target
      readonly which: 'both' | 'requests' | 'answers'
      readonly lastsMs: number
    }
  | {
      readonly kind: 'store-slow'
      readonly atMs: number
      readonly host: Target
      readonly factor: number
      readonly watchLagMs: number
      readonly lastsMs: number
    }
  | { readonly kind: 'store-gap'; readonly atMs: number; readonly host: Target; readonly lastsMs: number }
  | { readonly kind: 'store-down'; readonly atMs: number; readonly lastsMs: number }
  | { readonly kind: 'store-rebirth'; readonly atMs: number }
  | { readonly kind: 'wall-jump'; readonly atMs: number; readonly host: Target; readonly byMs: number }
  | { readonly kind: 'stop'; readonly atMs: number; readonly host: Target; readonly lastsMs: number }
  | { readonly kind: 'drain'; readonly atMs: number; readonly host: Target; readonly lastsMs: number }
  | {
      readonly kind: 'migrate'
      readonly atMs: number
      readonly actor: number
      readonly host: Target
      readonly backAfterMs: number | undefined
    }
  | { readonly kind: 'elect'; readonly atMs: number }
  /** A message whose handler takes its whole process with it, each time that it is begun, for as long as faults strike. */
  | { readonly kind: 'poison'; readonly atMs: number; readonly host: Target; readonly actor: number }
  /** A host stalls, is taken for dead by its supervisor, and another process starts under its node id; then the first one goes on. */
  | { readonly kind: 'twin'; readonly atMs: number; readonly host: Target; readonly lastsMs: number }

export type FaultKind = Fault['kind']

/** A host by number, or whoever leads when the fault strikes. */
export type Target = number | 'leader'

export interface FaultPlanOptions {
  readonly ttlMs: number
  readonly fromMs: number
  readonly untilMs: number
  /** Of those, each seed enables a subset. Default: all. */
  readonly kinds?: readonly FaultKind[] | undefined
  readonly count?: number | undefined
}

const WEIGHTS: ReadonlyArray<readonly [FaultKind, number]> = [
  ['crash', 3],
  ['crash-before-flush', 2],
  ['pause', 4],
  ['pause-before-flush', 3],
  ['strike-handoff', 5],
  ['cut', 4],
  ['isolate', 2],
  ['reset', 5],
  ['slow', 2],
  ['store-cut', 4],
  ['store-slow', 3],
  ['store-gap', 2],
  ['store-down', 2],
  ['store-rebirth', 1],
  ['wall-jump', 1],
  ['stop', 2],
  ['drain', 2],
  ['migrate', 5],
  ['elect', 2],
  ['poison', 2],
  ['twin', 2],
]

export const FAULT_KINDS: readonly FaultKind[] = WEIGHTS.map(([kind]) => kind)

export function planFaults(random: RandomStream, options: FaultPlanOptions): Fault[] {
  const offered = options.kinds ?? FAULT_KINDS
  // Losing the data of the store is a catastrophe of its own: few seeds have it.
  const enabled = WEIGHTS.filter(
    ([kind]) => offered.includes(kind) && random.chance(kind === 'store-rebirth' && options.kinds === undefined ? 0.08 : 0.5),
  )
  if (enabled.length === 0) return []
  const count = options.count ?? 1 + random.below(12)
  const faults: Fault[] = []
  for (let i = 0; i < count; i++) faults.push(planOne(random, random.weighted(enabled), options))
  return faults.sort((a, b) => a.atMs - b.atMs)
}

/** About a third of the hosts die at once, and stay away for longer than the failover takes. */
export function planMassDeath(
  random: RandomStream,
  { ttlMs, atMs, hosts }: { readonly ttlMs: number; readonly atMs: number; readonly hosts: number },
): Fault[] {
  const silent = random.chance(0.5)
  const first = random.below(hosts)
  return Array.from({ length: Math.max(1, Math.round(hosts * 0.3)) }, (_, n) => ({
    kind: 'crash',
    atMs,
    host: (first + n) % hosts,
    silent,
    lastsMs: 3 * ttlMs,
  }))
}

/** When they die, if that is all that happens in a schedule: see {@link planMassDeath}. */
export function massDeathOf(faults: readonly Fault[]): number | undefined {
  const first = faults[0]
  return first !== undefined && faults.every((fault) => fault.kind === 'crash' && fault.atMs === first.atMs && fault.lastsMs > 2_500)
    ? first.atMs
    : undefined
}

function planOne(random: RandomStream, kind: FaultKind, { ttlMs, fromMs, untilMs }: FaultPlanOptions): Fault {
  const atMs = Math.round(random.between(fromMs, untilMs))
  const host: Target = random.chance(0.25) ? 'leader' : random.below(64)
  const other: Target = random.below(64)
  // From a blink to well past the lease; the edge of the lease itself is where the races are.
  const lastsMs = Math.round(
    random.weighted([
      [random.between(0.02, 0.5), 3],
      [random.between(0.8, 1.3), 4],
      [random.between(1.3, 3), 3],
    ]) * ttlMs,
  )
  switch (kind) {
    case 'crash':
      return { kind, atMs, host, silent: random.chance(0.3), lastsMs }
    case 'crash-before-flush':
    case 'pause-before-flush':
      return { kind, atMs, host, lastsMs }
    case 'pause':
      return { kind, atMs, host, how: random.chance(0.35) ? 'suspend' : 'stall', lastsMs }
    case 'strike-handoff':
      return {
        kind,
        atMs,
        role: random.pick(['source', 'target', 'leader'] as const),
        how: random.weighted([
          ['crash', 5],
          ['stall', 3],
          ['cut', 3],
        ] as const),
        afterMs: random.chance(0.8) ? random.between(0, 25) : random.between(0, 200),
        lastsMs,
      }
    case 'cut':
      return { kind, atMs, from: host, to: other, bothWays: random.chance(0.5), lastsMs }
    case 'isolate':
      return { kind, atMs, host, withStore: random.chance(0.5), lastsMs }
    case 'reset':
      return { kind, atMs, a: host, b: other, times: 1 + random.below(6), everyMs: Math.round(random.between(1, 200)) }
    case 'slow':
      return { kind, atMs, from: host, to: other, factor: Math.round(random.between(5, 200)), lastsMs }
    case 'store-cut':
      return { kind, atMs, host, which: random.pick(['both', 'requests', 'answers'] as const), lastsMs }
    case 'store-slow':
      return { kind, atMs, host, factor: Math.round(random.between(5, 800)), watchLagMs: Math.round(random.between(0, ttlMs)), lastsMs }
    case 'store-gap':
    case 'drain':
    case 'stop':
    case 'twin':
      return { kind, atMs, host, lastsMs }
    case 'store-down':
      return { kind, atMs, lastsMs }
    case 'store-rebirth':
    case 'elect':
      return { kind, atMs }
    case 'poison':
      return { kind, atMs, host, actor: random.below(1_000) }
    case 'wall-jump':
      return { kind, atMs, host, byMs: Math.round(random.between(-2, 2) * ttlMs) }
    case 'migrate':
      return {
        kind,
        atMs,
        actor: random.below(1_000),
        host: random.below(64),
        backAfterMs: random.chance(0.5) ? Math.round(random.between(5, 300)) : undefined,
      }
  }
}
