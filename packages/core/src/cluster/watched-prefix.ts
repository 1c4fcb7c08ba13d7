// An image of everything under one prefix of the store: kept by a watch, and read again by `list` on a slow timer, because a watch is a hint.
// Says which keys changed; what they mean is for others. During an outage the image stays as it was.

import type { Entry, MetadataStore, Watch, WatchEvent } from '../metadata/metadata-store.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { BackgroundLoop } from './background-loop.ts'

export interface WatchedPrefixOptions {
  readonly runtime: Runtime
  readonly store: Pick<MetadataStore, 'watch' | 'list'>
  readonly prefix: string
  readonly reconcileMs: number
  /** After the image changed. `undefined`: the key is gone. Must not throw. */
  readonly onChange: (changed: ReadonlyMap<string, Entry | undefined>) => void
  readonly onError: (error: unknown) => void
}

export class WatchedPrefix {
  readonly #options: WatchedPrefixOptions
  readonly #entries = new Map<string, Entry>()
  readonly #loop: BackgroundLoop
  #watch: Watch | undefined
  /** Counts watch events, so that a list that overlapped one is not believed. */
  #events = 0
  #closed = false

  constructor(options: WatchedPrefixOptions) {
    this.#options = options
    this.#loop = new BackgroundLoop({
      runtime: options.runtime,
      everyMs: options.reconcileMs,
      run: () => this.#reconcile(),
      onError: options.onError,
    })
  }

  get entries(): ReadonlyMap<string, Entry> {
    return this.#entries
  }

  /** Resolves when the first snapshot was taken in; rejects when the store can't be watched. */
  async start(): Promise<void> {
    await this.#openWatch()
    this.#loop.triggerWithin(this.#options.reconcileMs)
  }

  /** Reads it all again, now. */
  refresh(): void {
    this.#loop.trigger()
  }

  /** As {@link refresh}, when whoever made something of it has forgotten that: all that is there counts as changed. */
  startOver(): void {
    this.#entries.clear()
    this.#loop.trigger()
  }

  async close(): Promise<void> {
    this.#closed = true
    await this.#loop.stop()
    await this.#watch?.close()
  }

  async #openWatch(): Promise<void> {
    const watch = await this.#options.store.watch(this.#options.prefix, (event) => this.#observe(event))
    if (this.#closed) await watch.close()
    else this.#watch = watch
  }

  #observe(event: WatchEvent): void {
    if (this.#closed) return
    this.#events++
    if (event.type === 'snapshot') return this.#replace(event.entries)
    const changed = new Map<string, Entry | undefined>()
    for (const change of event.changes) {
      if (change.type === 'put') this.#set(change.entry, changed)
      else this.#remove(change.key, changed)
    }
    this.#tell(changed)
  }

  async #reconcile(): Promise<void> {
    if (this.#watch === undefined) await this.#openWatch()
    const before = this.#events
    const entries = await this.#options.store.list(this.#options.prefix)
    if (this.#closed) return
    // A change that arrived meanwhile may be newer or older than the list: this list proves nothing, the next one may.
    if (this.#events !== before) return this.#loop.triggerWithin(1_000)
    this.#replace(entries)
  }

  #replace(entries: readonly Entry[]): void {
    const changed = new Map<string, Entry | undefined>()
    const present = new Set(entries.map((entry) => entry.key))
    for (const key of [...this.#entries.keys()]) if (!present.has(key)) this.#remove(key, changed)
    for (const entry of entries) this.#set(entry, changed)
    this.#tell(changed)
  }

  #set(entry: Entry, changed: Map<string, Entry | undefined>): void {
    if (this.#entries.get(entry.key)?.version === entry.version) return
    this.#entries.set(entry.key, entry)
    changed.set(entry.key, entry)
  }

  #remove(key: string, changed: Map<string, Entry | undefined>): void {
    if (this.#entries.delete(key)) changed.set(key, undefined)
  }

  #tell(changed: ReadonlyMap<string, Entry | undefined>): void {
    if (changed.size > 0) this.#options.onChange(changed)
  }
}
