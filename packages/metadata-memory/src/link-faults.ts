// Faults for the in-process link, so that code which depends on a store can be tested without one: what a firewall does to a connection.

/** `both`: nothing gets through. `answers`: requests are carried out and their answers are lost. */
export type Cut = 'both' | 'answers'

export class LinkFaults {
  #cut: Cut | undefined
  #answerDelayMs = 0
  readonly #onHeal = new Set<() => void>()

  get cut(): Cut | undefined {
    return this.#cut
  }

  get answerDelayMs(): number {
    return this.#answerDelayMs
  }

  /** From now on requests are carried out at once and their answers arrive this much later; 0: at once again. */
  delayAnswers(delayMs: number): void {
    this.#answerDelayMs = delayMs
  }

  /** From now on nobody hears anything any more. Nothing is told: whoever waits for an answer waits until its deadline. */
  isolate(direction: Cut = 'both'): void {
    this.#cut = direction
  }

  /** Connections are made anew: what waited for an answer learns that there will be none, and watches get a snapshot. */
  heal(): void {
    if (this.#cut === undefined) return
    this.#cut = undefined
    for (const task of [...this.#onHeal]) task()
  }

  /** Returns what takes it back. */
  onHeal(task: () => void): () => void {
    this.#onHeal.add(task)
    return () => {
      this.#onHeal.delete(task)
    }
  }
}
