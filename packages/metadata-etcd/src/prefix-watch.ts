// One watch of one prefix: a snapshot at a revision, then etcd's events from the next one on, through lost connections and compactions.
//
//   snapshot at R ──> following from R + 1 ──connection lost──> is it the same store? ──yes──> following from where we were
//        ▲                   │ compacted                              │ no
//        └───────────────────┴────────────────────────────────────────┘
//
// The cursor is ours: etcd3's own watch moves its cursor to the store's revision when it is connected, before what was missed has arrived, and so loses it.

import type { Runtime, Timer, WatchSink } from '@cajun/core/adapter'
import type { IDuplexStream, IWatchRequest, IWatchResponse } from 'etcd3'
import type { EtcdConnection } from './connection.ts'
import type { KeySpace } from './key-space.ts'

export interface Snapshot {
  readonly revision: number
  /** What tells this store from another at the same address; undefined when it has no id yet. */
  readonly identity: string | undefined
}

export interface PrefixWatchOptions {
  readonly runtime: Runtime
  readonly space: KeySpace
  readonly prefix: string
  readonly sink: WatchSink
  readonly ready: (signal: AbortSignal) => Promise<EtcdConnection>
  /** Puts everything under the prefix into the sink. */
  readonly snapshot: (connection: EtcdConnection) => Promise<Snapshot>
  readonly identity: (connection: EtcdConnection) => Promise<string | undefined>
}

const FIRST_BACKOFF_MS = 20
const LONGEST_BACKOFF_MS = 250
/** How long the server may take to begin a watch on a connection that gives signs of life. */
const BEGIN_MS = 5_000

/** Events from our cursor on are gone. */
class Gap extends Error {}

export class PrefixWatch {
  readonly #options: PrefixWatchOptions
  readonly #closed = new AbortController()
  /** The next revision that is needed. */
  #cursor = 0
  #identity: string | undefined
  #stream: IDuplexStream<IWatchRequest, IWatchResponse> | undefined
  #wake: () => void = () => {}

  constructor(options: PrefixWatchOptions) {
    this.#options = options
  }

  /** Resolves when the snapshot was delivered; what follows goes on until `stop`. */
  async start(connection: EtcdConnection): Promise<void> {
    await this.#snapshot(connection)
    void this.#run(connection)
  }

  stop(): void {
    this.#closed.abort()
    this.#stream?.end()
    this.#wake()
  }

  async #run(first: EtcdConnection): Promise<void> {
    const { signal } = this.#closed
    let connection = first
    for (let failures = 0; !signal.aborted; ) {
      try {
        if (connection.ended !== undefined) {
          connection = await this.#options.ready(signal)
          await this.#recognise(connection)
        }
        await this.#follow(connection, () => {
          failures = 0
        })
      } catch (error) {
        // A lost connection, a token that has ended, a member that goes: all of it is tried again, as long as somebody watches.
        if (error instanceof Gap) this.#identity = undefined
        if (signal.aborted) return
        await this.#pause(Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures++, 10)))
        if (connection.ended === undefined) await this.#recognise(connection).catch(() => {})
      }
    }
  }

  /** Goes on where we were, if this is the store where we were. */
  async #recognise(connection: EtcdConnection): Promise<void> {
    if (this.#identity !== undefined && (await this.#options.identity(connection)) === this.#identity) return
    await this.#snapshot(connection)
  }

  async #snapshot(connection: EtcdConnection): Promise<void> {
    // Should it fail, the next connection has to bring one.
    this.#identity = undefined
    const { revision, identity } = await this.#options.snapshot(connection)
    this.#cursor = revision + 1
    this.#identity = identity
  }

  /** Feeds the sink; rejects when that ends. */
  async #follow(connection: EtcdConnection, onBegun: () => void): Promise<void> {
    const { runtime, space, prefix, sink } = this.#options
    const stream = await connection.watch()
    this.#stream = stream
    let late: Timer | undefined
    const followed = new Promise<never>((_, reject) => {
      late = runtime.setTimer(() => reject(new Error(`the watch did not begin within ${BEGIN_MS} ms`)), BEGIN_MS)
      stream.on('error', reject)
      stream.on('end', () => reject(new Error('the watch was ended')))
      stream.on('data', (response) => {
        late?.cancel()
        if (response.canceled) {
          // The cursor lies before what was compacted away.
          const compacted = Number(response.compact_revision) !== 0
          return reject(compacted ? new Gap('compacted') : new Error(`the watch was cancelled: ${response.cancel_reason}`))
        }
        if (response.created) onBegun()
        if (sink.closed || this.#closed.signal.aborted || this.#stream !== stream) return
        const events = response.events.filter((event) => Number(event.kv.mod_revision) >= this.#cursor)
        if (events.length === 0) return
        this.#cursor = Number(events.at(-1)?.kv.mod_revision) + 1
        sink.changes(events.map((event) => space.change(event)))
      })
    })
    followed.catch(() => {})
    const range = space.range(prefix)
    stream.write({ create_request: { ...range, start_revision: String(this.#cursor) } })
    try {
      if (this.#closed.signal.aborted) return
      await connection.until(followed)
    } finally {
      late?.cancel()
      this.#stream = undefined
      stream.end()
    }
  }

  #pause(longestMs: number): Promise<void> {
    const { runtime } = this.#options
    return new Promise((resolve) => {
      const timer = runtime.setTimer(resolve, longestMs * (0.5 + runtime.random() / 2))
      this.#wake = () => {
        timer.cancel()
        resolve()
      }
    })
  }
}
