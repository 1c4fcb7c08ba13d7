// What a run notes of watches and notices, with what is true of the watched actor at that moment. `checkers/watching.ts` judges.

import type { History } from './history.ts'
import type { SimulatedProcess } from './host.ts'
import type { Marks } from './marks.ts'
import type { Recorder } from './recording-actors.ts'
import type { Scenario } from './scenario.ts'
import type { Truth } from './truth.ts'

export class WatchingNotes {
  /** Whether any actor is asked to watch another one. */
  readonly isPlanned: boolean
  readonly #history: History
  readonly #truth: Truth
  readonly #marks: Marks
  readonly #now: () => number
  /** When the watch that is not answered yet began, and on which process, by watcher and watched. */
  readonly #open = new Map<string, { readonly atMs: number; readonly process: string }>()

  constructor(
    scenario: Scenario,
    parts: { readonly history: History; readonly truth: Truth; readonly marks: Marks; readonly now: () => number },
  ) {
    this.isPlanned = scenario.actions.some(({ act }) => act === 'watch')
    this.#history = parts.history
    this.#truth = parts.truth
    this.#marks = parts.marks
    this.#now = parts.now
  }

  recorder(process: SimulatedProcess): Pick<Recorder, 'watches' | 'unwatches' | 'told'> {
    const { watching } = this.#history
    return {
      watches: (watcher, life, watched, question) => {
        if (process.isCrashed) return
        const atMs = this.#now()
        const pair = `${watcher} ${watched}`
        if (!this.#open.has(pair)) this.#open.set(pair, { atMs, process: process.name })
        watching.push({ event: 'watch', watcher, life, watched, process: process.name, atMs, question })
      },
      unwatches: (watcher, life, watched) => {
        if (process.isCrashed) return
        this.#open.delete(`${watcher} ${watched}`)
        watching.push({ event: 'unwatch', watcher, life, watched, process: process.name, atMs: this.#now() })
      },
      told: (watcher, life, watched, reason) => {
        if (process.isCrashed) return
        const { problem } = this.#truth.mayRun(watcher, process)
        if (problem !== undefined) this.#history.found('I1', `${process.name} told ${watcher} of the end of ${watched}: ${problem}`)
        const pair = `${watcher} ${watched}`
        const open = this.#open.get(pair)
        this.#open.delete(pair)
        const loss = this.#truth.excuseForLoss(watched, open?.atMs ?? 0)
        const placedMs = this.#truth.placedMs(watched)
        watching.push({ event: 'notice', watcher, life, watched, process: process.name, atMs: this.#now(), reason, loss, placedMs })
        this.#marks.reach(`watched, and told: ${reason}`)
        if (open !== undefined && open.process !== process.name) this.#marks.reach('told on another node than the watch began on')
      },
    }
  }

  /** Whose ends are still to be seen: they are watched, and watch nobody themselves. */
  get toEnd(): string[] {
    const { watching } = this.#history
    const watchers = new Set(watching.map(({ watcher }) => watcher))
    return [...new Set(watching.map(({ watched }) => watched))].filter((actor) => !watchers.has(actor))
  }
}
