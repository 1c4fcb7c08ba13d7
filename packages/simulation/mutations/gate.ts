// The mutation gate: plants one bug and demands that a seed notices it, and that core passes the same seed without it (or that a test of core does, which
// CI runs without it). First the recorded seed is tried; a change of core or of the simulation gives seeds another meaning, so one that has gone stale is looked for anew.

import type { Mutation } from './mutation.ts'
import { recordedSeeds } from './recorded-seeds.ts'
import { Workshop } from './workshop.ts'

export interface Finding {
  readonly mutation: Mutation
  /** Undefined: it survived, or a test noticed it. */
  readonly seed: number | undefined
  readonly invariant: string | undefined
  /** What was violated, or the name of the test. Undefined: it survived. */
  readonly what: string | undefined
  /** The recorded seed does it still. */
  readonly isFresh: boolean
  /** Seeds that fail without the bug: each is a bug of its own. */
  readonly unsound: readonly string[]
  readonly ran: number
  readonly elapsedMs: number
}

export interface HuntOptions {
  /** For one seed, of real time: whatever takes longer hangs. */
  readonly seedTimeoutMs?: number
  /** Of real time, for the hunt after a stale seed. */
  readonly huntMs?: number
  readonly from?: number
  readonly seeds?: number
}

const DEFAULT_SEEDS = 300
const BATCH = 10
const TEST_TIMEOUT_MS = 120_000

/** A bench with two copies of core: one in which bugs are planted, one that is sound. */
export class Gate implements Disposable {
  readonly #planted = new Workshop()
  readonly #sound = new Workshop()

  /** Rejects when the bug has no place in the source, or core does not run with it. */
  async try(mutation: Mutation, options: HuntOptions = {}): Promise<Finding> {
    const { seedTimeoutMs = 20_000, huntMs = 120_000, from = 1, seeds = mutation.seeds ?? DEFAULT_SEEDS } = options
    const startedMs = performance.now()
    const unsound: string[] = []
    let ran = 0
    const uproot = this.#planted.plant(mutation)
    /** The first of these seeds that notices the bug, and nothing without it. */
    const hunt = async (list: readonly number[]): Promise<Partial<Finding> | undefined> => {
      for (let rest = list; rest.length > 0; ) {
        const verdict = await this.#planted.run({ mutation: mutation.id, seeds: rest }, seedTimeoutMs * rest.length)
        ran += verdict.ran
        if (verdict.seed === undefined) return undefined
        const without = await this.#sound.run({ mutation: mutation.id, seeds: [verdict.seed] }, seedTimeoutMs)
        if (without.seed === undefined) return verdict
        unsound.push(`seed ${verdict.seed} of '${mutation.id}' fails without the bug: ${without.invariant} ${without.what}`)
        rest = rest.slice(rest.indexOf(verdict.seed) + 1)
      }
      return undefined
    }
    try {
      if (mutation.test !== undefined) {
        const what = await this.#planted.test(mutation.test, TEST_TIMEOUT_MS)
        const elapsedMs = performance.now() - startedMs
        return { mutation, seed: undefined, invariant: undefined, what, isFresh: true, unsound, ran, elapsedMs }
      }
      const recorded = recordedSeeds[mutation.id]
      let found = recorded === undefined ? undefined : await hunt([recorded])
      const isFresh = found !== undefined
      for (let seed = from; found === undefined && seed < from + seeds && performance.now() - startedMs < huntMs; seed += BATCH) {
        found = await hunt(Array.from({ length: Math.min(BATCH, from + seeds - seed) }, (_, index) => seed + index))
      }
      const elapsedMs = performance.now() - startedMs
      return { mutation, seed: found?.seed, invariant: found?.invariant, what: found?.what, isFresh, unsound, ran, elapsedMs }
    } finally {
      uproot()
    }
  }

  [Symbol.dispose](): void {
    this.#planted[Symbol.dispose]()
    this.#sound[Symbol.dispose]()
  }
}

export async function inParallel<T>(items: readonly T[], jobs: number, work: (gate: Gate, item: T) => Promise<void>): Promise<void> {
  const queue = [...items]
  const worker = async (): Promise<void> => {
    using gate = new Gate()
    for (let item = queue.shift(); item !== undefined; item = queue.shift()) await work(gate, item)
  }
  await Promise.all(Array.from({ length: jobs }, worker))
}
