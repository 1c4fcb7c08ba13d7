// Numbers instead of texts: each side of a link numbers the actors that it sends to, and the names of kinds and message types.
// The numbers mean something on one link only, and are gone with it. Pure.

import { ProtocolError } from '../errors.ts'
import type { OutStream } from './out-stream.ts'

/** Names by number, from 1; 0 means that the text follows. */
export class OutNames {
  readonly #limit: number
  readonly #numbers = new Map<string, number>()

  constructor(limit: number) {
    this.#limit = limit
  }

  get(name: string): number {
    return this.#numbers.get(name) ?? 0
  }

  /** 0: the table is full, or the name is not worth it. */
  add(name: string): number {
    if (this.#numbers.size >= this.#limit || name.length > 256) return 0
    const number = this.#numbers.size + 1
    this.#numbers.set(name, number)
    return number
  }

  clear(): void {
    this.#numbers.clear()
  }
}

/** Which stream has which number on a link. When all are given out, an idle stream's is taken. */
export class OutActors {
  readonly #limit: number
  readonly #streams: (OutStream | undefined)[] = [undefined]
  #hand = 1

  constructor(limit: number) {
    this.#limit = limit
  }

  get size(): number {
    return this.#streams.length - 1
  }

  /** Gives the stream a number. `onEvicted` hears of the idle stream that lost its own; 0: every stream is busy (the number of streams is bounded by the outbox). */
  assign(stream: OutStream, onEvicted: (stream: OutStream) => void): number {
    if (this.#streams.length <= this.#limit) {
      this.#streams.push(stream)
      return this.#streams.length - 1
    }
    for (let looks = 0; looks < this.#streams.length; looks++) {
      if (++this.#hand >= this.#streams.length) this.#hand = 1
      const other = this.#streams[this.#hand]
      if (other !== undefined && !other.isIdle && other.slot === this.#hand) continue
      if (other !== undefined && other.slot === this.#hand) {
        other.slot = 0
        onEvicted(other)
      }
      this.#streams[this.#hand] = stream
      return this.#hand
    }
    this.#streams.push(stream)
    return this.#streams.length - 1
  }

  /** The stream that has this number. */
  find(slot: number): OutStream | undefined {
    const stream = this.#streams[slot]
    return stream?.slot === slot ? stream : undefined
  }

  clear(): void {
    for (const stream of this.#streams) if (stream !== undefined) stream.slot = 0
    this.#streams.length = 1
    this.#hand = 1
  }
}

/** The peer's numbers, as this side learns them. Bounded, whatever the peer says. */
export class InTable<T> {
  readonly #what: string
  readonly #limit: number
  readonly #items: (T | undefined)[] = [undefined]

  constructor(what: string, limit: number) {
    this.#what = what
    this.#limit = limit
  }

  set(number: number, item: T): void {
    if (number < 1 || number > this.#items.length || number > this.#limit) {
      throw new ProtocolError(`${this.#what} number ${number} is out of order; the next one is ${this.#items.length}`)
    }
    this.#items[number] = item
  }

  get(number: number): T {
    const item = this.#items[number]
    if (item === undefined) throw new ProtocolError(`${this.#what} number ${number} is unknown on this link`)
    return item
  }

  /** The item with this number so far, if any. */
  find(number: number): T | undefined {
    return this.#items[number]
  }

  *items(): Iterable<T> {
    for (const item of this.#items) if (item !== undefined) yield item
  }

  clear(): void {
    this.#items.length = 1
  }
}
