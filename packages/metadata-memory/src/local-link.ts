// The way to a database in this process. Answers come at once; changes are handed on in batches, after the code that made them.

import type { Change, Runtime, StoreCall, WatchSink } from '@cajun/core/adapter'
import type { EmbeddedDatabase } from './embedded-database.ts'
import type { Cut, LinkFaults } from './link-faults.ts'
import type { MemoryLink } from './memory-link.ts'
import type { AnswerTo, StoreRequest } from './requests.ts'

export class LocalLink implements MemoryLink {
  readonly endpoint = 'the embedded store'
  readonly #database: EmbeddedDatabase
  readonly #runtime: Runtime
  readonly #faults: readonly LinkFaults[]
  readonly #watches = new Set<() => void>()

  constructor(database: EmbeddedDatabase, runtime: Runtime, faults: LinkFaults | undefined) {
    this.#database = database
    this.#runtime = runtime
    this.#faults = faults === undefined ? [database.faults] : [database.faults, faults]
  }

  async open(call: StoreCall): Promise<void> {
    if (this.#cut() !== undefined) await this.#silence(call)
  }

  async close(): Promise<void> {
    for (const stop of [...this.#watches]) stop()
  }

  async request<R extends StoreRequest>(request: R, call: StoreCall): Promise<AnswerTo<R>> {
    const cut = this.#cut()
    if (cut === 'both') return this.#silence(call)
    const answer = this.#database.execute(request)
    const delayMs = Math.max(...this.#faults.map((faults) => faults.answerDelayMs))
    if (delayMs > 0) await new Promise<void>((resolve) => void this.#runtime.setTimer(resolve, delayMs))
    return cut === 'answers' ? this.#silence(call) : answer
  }

  async watch(prefix: string, sink: WatchSink, call: StoreCall): Promise<() => void> {
    if (this.#cut() !== undefined) return this.#silence(call)
    let waiting: Change[] = []
    const flush = (): void => {
      const changes = waiting
      waiting = []
      // What happens behind a cut is lost, as on a broken connection; the snapshot after it makes up for that.
      if (this.#cut() === undefined) sink.changes(changes)
    }
    const follow = (): (() => void) => {
      const { entries, stop } = this.#database.follow(prefix, (change) => {
        if (waiting.push(change) === 1) this.#runtime.microtask(flush)
      })
      waiting = []
      sink.snapshot(entries)
      return stop
    }
    let unfollow = follow()
    const stopHealing = this.#faults.map((faults) =>
      faults.onHeal(() => {
        if (this.#cut() !== undefined) return
        unfollow()
        unfollow = follow()
      }),
    )
    const stop = (): void => {
      this.#watches.delete(stop)
      unfollow()
      for (const stopHealed of stopHealing) stopHealed()
    }
    this.#watches.add(stop)
    return stop
  }

  #cut(): Cut | undefined {
    let cut: Cut | undefined
    for (const faults of this.#faults) {
      if (faults.cut === 'both') return 'both'
      cut ??= faults.cut
    }
    return cut
  }

  /** No answer until the link is whole again, and then the news that there will be none. */
  #silence(call: StoreCall): Promise<never> {
    return new Promise((_, reject) => {
      const stops = this.#faults.map((faults) => faults.onHeal(() => end(new Error('the connection was lost'))))
      const end = (error: Error): void => {
        for (const stop of stops) stop()
        reject(error)
      }
      if (call.signal.aborted) end(new Error('given up'))
      else call.signal.addEventListener('abort', () => end(new Error('given up')), { once: true })
    })
  }
}
