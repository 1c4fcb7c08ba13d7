// Whoever waits for a document to say something: asked again with every document that comes into force here, until a deadline.

import type { Runtime } from '../runtime/runtime.ts'

interface Waiter {
  readonly check: () => void
  readonly reject: (error: Error) => void
}

export class PlacementWaiters {
  readonly #runtime: Runtime
  readonly #waiters = new Set<Waiter>()

  constructor(runtime: Runtime) {
    this.#runtime = runtime
  }

  /** Resolves when `holds` returns true; rejects with what it throws, or with what `late` makes after `timeoutMs`. */
  until(holds: () => boolean, timeoutMs: number, late: () => Error): Promise<void> {
    return new Promise((resolve, reject) => {
      const end = (settle: () => void): void => {
        timer.cancel()
        this.#waiters.delete(waiter)
        settle()
      }
      const waiter: Waiter = {
        check: () => {
          try {
            if (holds()) end(resolve)
          } catch (error) {
            end(() => reject(error))
          }
        },
        reject: (error) => end(() => reject(error)),
      }
      const timer = this.#runtime.setTimer(() => end(() => reject(late())), timeoutMs)
      this.#waiters.add(waiter)
      waiter.check()
    })
  }

  /** Something came into force. */
  check(): void {
    for (const waiter of [...this.#waiters]) waiter.check()
  }

  close(error: Error): void {
    for (const waiter of [...this.#waiters]) waiter.reject(error)
  }
}
