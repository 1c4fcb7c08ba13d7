// Who listens to dead letters. A subscriber that throws neither breaks the system nor keeps others from hearing.

import type { DeadLetter } from './dead-letter.ts'
import type { Logger } from './logger.ts'

export class DeadLetterSubscribers {
  readonly #subscribers = new Set<(letter: DeadLetter) => void>()
  readonly #logger: () => Logger

  constructor(logger: () => Logger) {
    this.#logger = logger
  }

  /** Returns what ends the subscription. */
  add(subscriber: (letter: DeadLetter) => void): () => void {
    const entry = (letter: DeadLetter): void => subscriber(letter)
    this.#subscribers.add(entry)
    return () => {
      this.#subscribers.delete(entry)
    }
  }

  publish(letter: DeadLetter): void {
    if (this.#subscribers.size === 0) return
    const { address } = letter
    // The address may be a live view onto the actor; subscribers get data.
    const plain = { ...letter, address: { kind: address.kind, id: address.id, ...(address.path !== undefined && { path: address.path }) } }
    for (const subscriber of this.#subscribers) {
      try {
        subscriber(plain)
      } catch (error) {
        this.#logger().error('a dead-letter subscriber threw', { error })
      }
    }
  }
}
