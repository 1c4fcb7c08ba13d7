// One watch of one prefix through any number of connections: each begins with a snapshot.

import type { Runtime, WatchSink } from '@cajun/core/adapter'
import type { ZooKeeperConnection } from './connection.ts'
import type { KeySpace, PrefixRange } from './key-space.ts'
import { TreeMirror } from './tree-mirror.ts'

export interface PrefixWatchOptions {
  readonly runtime: Runtime
  readonly space: KeySpace
  readonly range: PrefixRange
  readonly sink: WatchSink
  readonly ready: (signal: AbortSignal) => Promise<ZooKeeperConnection>
  /** Whatever this connection reads afterwards is no older than now. */
  readonly barrier: (connection: ZooKeeperConnection) => Promise<unknown>
  readonly onError: (error: unknown) => void
}

interface Following {
  /** Resolves when another snapshot is needed. */
  readonly over: Promise<void>
}

const FIRST_BACKOFF_MS = 20
const LONGEST_BACKOFF_MS = 250

export class PrefixWatch {
  readonly #options: PrefixWatchOptions
  readonly #closed = new AbortController()
  #mirror: TreeMirror | undefined
  #wake: () => void = () => {}

  constructor(options: PrefixWatchOptions) {
    this.#options = options
  }

  /** Resolves when the snapshot was delivered; what follows goes on until `stop`. */
  async start(connection: ZooKeeperConnection): Promise<void> {
    void this.#run(await this.#follow(connection))
  }

  stop(): void {
    this.#closed.abort()
    this.#mirror?.stop()
    this.#wake()
  }

  async #run(first: Following): Promise<void> {
    const { signal } = this.#closed
    let following = first
    for (let failures = 0; ; ) {
      await following.over
      if (signal.aborted) return
      try {
        following = await this.#follow(await this.#options.ready(signal))
        failures = 0
      } catch {
        // A lost connection, a server that does not let us in at the moment: tried again, as long as somebody watches.
        following = { over: this.#pause(Math.min(LONGEST_BACKOFF_MS, FIRST_BACKOFF_MS * 2 ** Math.min(failures++, 10))) }
      }
    }
  }

  /** Resolves when the snapshot was delivered. */
  async #follow(connection: ZooKeeperConnection): Promise<Following> {
    const { space, range, sink, barrier, onError } = this.#options
    let end = (): void => {}
    const over = new Promise<void>((resolve) => {
      end = resolve
    })
    const mirror = new TreeMirror({
      connection,
      space,
      range,
      sink,
      onError: (error) => {
        onError(error)
        end()
      },
    })
    this.#mirror = mirror
    connection.onEnd(() => {
      mirror.stop()
      end()
    })
    this.#wake = end
    try {
      await Promise.all([connection.until(barrier(connection)), connection.until(mirror.start())])
    } catch (error) {
      mirror.stop()
      throw error
    }
    return { over }
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
