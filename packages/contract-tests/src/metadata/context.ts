// What a case works with: clients that are closed after it, keys of its own, and waiting that always has an end.

import assert from 'node:assert/strict'
import {
  type Change,
  type Entry,
  type MetadataStore,
  newIdentity,
  nodeRuntime,
  type Runtime,
  type StoreCapabilities,
  type WatchEvent,
} from '@cajun/core/adapter'
import type { MetadataStoreContractOptions, MetadataStoreHarness } from './harness.ts'

/** For operations in calm weather: long, so that a loaded machine breaks no promise. */
const PATIENT_MS = 10_000

export class StoreContext {
  readonly harness: MetadataStoreHarness
  readonly capabilities: StoreCapabilities
  readonly runtime: Runtime
  readonly ttlMs: number
  readonly timeoutMs: number
  /** Every key of this case begins with it. */
  readonly prefix: string
  /** How much later than promised something may be seen: a loaded machine runs late, a virtual clock never. */
  readonly slackMs: number
  /** What the clients told `onError`. */
  readonly errors: unknown[] = []
  readonly #clients: MetadataStore[] = []

  constructor(harness: MetadataStoreHarness, options: MetadataStoreContractOptions) {
    this.harness = harness
    this.capabilities = options.capabilities
    this.runtime = harness.runtime ?? nodeRuntime
    this.ttlMs = options.ttlMs ?? 400
    this.timeoutMs = options.timeoutMs ?? 600
    this.prefix = `contract/${newIdentity(this.runtime)}/`
    this.slackMs = harness.advance === undefined ? 1_000 : 20
  }

  key(name: string): string {
    return this.prefix + name
  }

  /** A client that is not open yet. */
  create(which: 'store' | 'peer', options: { readonly timeoutMs?: number } = {}): MetadataStore {
    const client = this.harness[which]({ timeoutMs: options.timeoutMs ?? PATIENT_MS, onError: (error) => this.errors.push(error) })
    this.#clients.push(client)
    return client
  }

  async open(options?: { readonly timeoutMs?: number }): Promise<MetadataStore> {
    const client = this.create('store', options)
    await client.open()
    return client
  }

  async openPeer(options?: { readonly timeoutMs?: number }): Promise<MetadataStore> {
    const client = this.create('peer', options)
    await client.open()
    return client
  }

  /** A client with the short deadline of outage cases. */
  openHasty(): Promise<MetadataStore> {
    return this.open({ timeoutMs: this.timeoutMs })
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.runtime.setTimer(resolve, ms)
    })
  }

  /** The outcome of `promise`, or a failure when it has none after `ms`. */
  async within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
    const startedAt = this.runtime.monotonicMs()
    const late = Symbol('late')
    let cancel = (): void => {}
    const timeout = new Promise<typeof late>((resolve) => {
      const timer = this.runtime.setTimer(() => resolve(late), ms + this.slackMs)
      cancel = () => timer.cancel()
    })
    try {
      const outcome = await Promise.race([promise, timeout])
      if (outcome === late) assert.fail(`${what}: nothing happened within ${Math.round(this.runtime.monotonicMs() - startedAt)} ms`)
      return outcome as T
    } finally {
      cancel()
    }
  }

  /** Repeats `check` until it throws no more; fails with what it threw last when that takes longer than `ms`. */
  async eventually(ms: number, check: () => void | Promise<void>): Promise<void> {
    const untilMs = this.runtime.monotonicMs() + ms + this.slackMs
    for (;;) {
      try {
        await check()
        return
      } catch (error) {
        if (this.runtime.monotonicMs() >= untilMs) throw error
      }
      await this.sleep(5)
    }
  }

  /** The error that `promise` rejects with, in time. */
  async rejection(ms: number, what: string, promise: Promise<unknown>): Promise<{ readonly name: string; readonly code?: string }> {
    const outcome = await this.within(
      ms,
      what,
      promise.then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      ),
    )
    if (!('error' in outcome)) assert.fail(`${what} resolved with ${JSON.stringify(outcome.value)}; it should have been rejected`)
    return outcome.error as { name: string; code?: string }
  }

  async isolate(direction: 'both' | 'answers' = 'both'): Promise<void> {
    await this.harness.isolate?.(direction)
  }

  async heal(): Promise<void> {
    await this.harness.heal?.()
  }

  /** Waits until this client gets answers again. */
  async recovered(store: MetadataStore, withinMs: number): Promise<void> {
    await this.eventually(withinMs, async () => {
      await store.ping()
    })
  }

  async watch(store: MetadataStore, prefix: string): Promise<WatchLog> {
    const log = new WatchLog()
    const watch = await store.watch(prefix, (event) => log.record(event))
    log.close = () => watch.close()
    return log
  }

  async dispose(): Promise<void> {
    await this.heal()
    await Promise.all(this.#clients.map((client) => client.close()))
  }
}

/** What a watch delivered, and the state that follows from it. */
export class WatchLog {
  readonly events: WatchEvent[] = []
  readonly state: Map<string, Entry> = new Map()
  close: () => Promise<void> = async () => {}

  record(event: WatchEvent): void {
    this.events.push(event)
    if (event.type === 'snapshot') {
      this.state.clear()
      for (const entry of event.entries) this.state.set(entry.key, entry)
      return
    }
    for (const change of event.changes) {
      if (change.type === 'put') this.state.set(change.entry.key, change.entry)
      else this.state.delete(change.key)
    }
  }

  get changes(): Change[] {
    return this.events.flatMap((event) => (event.type === 'changes' ? event.changes : []))
  }

  get snapshots(): number {
    return this.events.filter((event) => event.type === 'snapshot').length
  }

  /** Values by key, for comparisons. */
  values(): Record<string, string> {
    return Object.fromEntries([...this.state.values()].map((entry) => [entry.key, entry.value]))
  }
}
