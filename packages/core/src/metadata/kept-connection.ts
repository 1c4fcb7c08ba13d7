// One connection of an adapter to its server, from connecting to its end; it never comes back. What waits for an answer then learns that there will be none,
// whatever the client library does with its own promises.

export abstract class KeptConnection {
  #ended: Error | undefined
  readonly #onEnd = new Set<(reason: Error) => void>()

  /** Why it ended; undefined while it lives. */
  get ended(): Error | undefined {
    return this.#ended
  }

  /** Called once; at once when it has ended already. */
  onEnd(listener: (reason: Error) => void): void {
    if (this.#ended === undefined) this.#onEnd.add(listener)
    else listener(this.#ended)
  }

  /** Ends it now, whatever is under way. Idempotent. */
  drop(reason: Error): void {
    if (this.#ended !== undefined) return
    this.#ended = reason
    const listeners = [...this.#onEnd]
    this.#onEnd.clear()
    for (const listener of listeners) listener(reason)
    this.release()
  }

  /** Lets go of the client library's connection without waiting for the other side. Called once. */
  protected abstract release(): void

  /** As `work`, but never later than the end of the connection. */
  protected async race<T>(work: Promise<T>): Promise<T> {
    work.catch(() => {})
    if (this.#ended !== undefined) throw this.#ended
    let leave: ((reason: Error) => void) | undefined
    const lost = new Promise<never>((_, reject) => {
      leave = reject
      this.#onEnd.add(reject)
    })
    try {
      return await Promise.race([work, lost])
    } finally {
      if (leave !== undefined) this.#onEnd.delete(leave)
    }
  }
}
