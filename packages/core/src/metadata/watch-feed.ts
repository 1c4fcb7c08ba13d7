// What stands between an adapter's watch and the caller's listener: snapshot first, one event at a time, nothing outside the prefix,
// nothing after close, and a listener that throws harms nobody.

import type { Change, Entry, Watch, WatchEvent } from './metadata-store.ts'

/** Where an adapter puts what it sees. Events may be handed over from anywhere, also from within the listener. */
export interface WatchSink {
  /** Everything under the prefix, in any order: first of all, and again after every gap. */
  snapshot(entries: readonly Entry[]): void
  /** In the order in which they happened. Those of other prefixes are left out here, so a coarse feed may be passed on as it is. */
  changes(changes: readonly Change[]): void
  /** Nobody listens any more. */
  readonly closed: boolean
}

export class WatchFeed implements Watch {
  /** Settles with the first snapshot's delivery. */
  readonly started: Promise<void>
  readonly #prefix: string
  readonly #listener: (event: WatchEvent) => void
  readonly #onError: (error: unknown) => void
  readonly #onClose: (feed: WatchFeed) => void
  readonly #queue: WatchEvent[] = []
  #start: () => void = () => {}
  #sink: WatchSink | undefined
  #stop: (() => void | Promise<void>) | undefined
  #delivering = false
  #closed = false
  #closing: Promise<void> | undefined

  constructor(
    prefix: string,
    listener: (event: WatchEvent) => void,
    onError: (error: unknown) => void,
    onClose: (feed: WatchFeed) => void,
  ) {
    this.#prefix = prefix
    this.#listener = listener
    this.#onError = onError
    this.#onClose = onClose
    this.started = new Promise((resolve) => {
      this.#start = resolve
    })
  }

  /** For one attempt of the adapter to begin; an earlier attempt's sink is cut off. */
  newSink(): WatchSink {
    const feed = this
    let begun = false
    const sink: WatchSink = {
      get closed() {
        return feed.#closed || feed.#sink !== sink
      },
      snapshot(entries) {
        if (sink.closed) return
        begun = true
        const own = entries.filter((entry) => entry.key.startsWith(feed.#prefix))
        feed.#deliver({ type: 'snapshot', entries: sortedByKey(own) })
      },
      changes(changes) {
        if (sink.closed) return
        if (!begun) throw new Error(`the adapter's watch of '${feed.#prefix}' began with changes; its first event must be a snapshot`)
        const own = changes.filter((change) => keyOf(change).startsWith(feed.#prefix))
        if (own.length > 0) feed.#deliver({ type: 'changes', changes: own })
      },
    }
    this.#sink = sink
    return sink
  }

  /** How the adapter's side is ended. Called at once when the watch was closed before it had begun. */
  attach(stop: () => void | Promise<void>): void {
    if (this.#closed) this.#settle(stop)
    else this.#stop = stop
  }

  close(): Promise<void> {
    if (!this.#closed) {
      this.#closed = true
      this.#queue.length = 0
      this.#onClose(this)
      this.#closing = this.#stop === undefined ? Promise.resolve() : this.#settle(this.#stop)
    }
    return this.#closing ?? Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #settle(stop: () => void | Promise<void>): Promise<void> {
    try {
      await stop()
    } catch (error) {
      this.#onError(error)
    }
  }

  #deliver(event: WatchEvent): void {
    this.#queue.push(event)
    if (this.#delivering) return // the listener itself caused this one: it comes after the one in hand
    this.#delivering = true
    try {
      for (let next = this.#queue.shift(); next !== undefined; next = this.#queue.shift()) {
        try {
          this.#listener(next)
        } catch (error) {
          this.#onError(error)
        }
      }
    } finally {
      this.#delivering = false
    }
    this.#start()
  }
}

/** In UTF-16 order, which is JavaScript's own; stores that sort by bytes of UTF-8 differ beyond U+FFFF. */
export function sortedByKey(entries: readonly Entry[]): readonly Entry[] {
  for (let at = 1; at < entries.length; at++) {
    if ((entries[at - 1] as Entry).key > (entries[at] as Entry).key) {
      return [...entries].sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
    }
  }
  return entries
}

function keyOf(change: Change): string {
  return change.type === 'put' ? change.entry.key : change.key
}
