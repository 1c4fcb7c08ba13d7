// What whoever tests an adapter provides: clients of one store, and as many ways of breaking it as can be arranged.

import type { MetadataStore, Runtime, StoreCapabilities } from '@cajun/core/adapter'

export interface ClientOptions {
  readonly timeoutMs: number
  readonly onError: (error: unknown) => void
}

/**
 * `frozen`: the server stops answering and goes on later where it was (SIGSTOP, SIGCONT). `killed`: it dies at once and comes back with the
 * data that it promised to keep (SIGKILL, start). `wiped`: it comes back empty, as another store.
 */
export type Interruption = 'frozen' | 'killed' | 'wiped'

/** Made for each case anew, and disposed of after it. Clients are opened and closed by the suite. */
export interface MetadataStoreHarness extends AsyncDisposable {
  /** A client that reaches the store over the way that `isolate` cuts. */
  store(options: ClientOptions): MetadataStore
  /** A second client on the same data, which `isolate` leaves alone: mutual exclusion can't be shown with one. */
  peer(options: ClientOptions): MetadataStore

  /** Cuts the clients made by `store` from the server. `answers`: requests still arrive, their answers are lost. Nobody is told. */
  isolate?(direction: 'both' | 'answers'): void | Promise<void>
  /** Undoes `isolate`. Connections that existed may be reset by it. */
  heal?(): void | Promise<void>
  /** The connections that clients made by `store` have now carry nothing any more, for good, and nobody is told; new ones work. As when a router forgot them. */
  strand?(): void | Promise<void>
  /** From now on answers to the clients made by `store` arrive this much later. */
  delayAnswers?(delayMs: number): void | Promise<void>

  /** What `interrupt` can do to the server. */
  readonly interruptions?: readonly Interruption[]
  interrupt?(how: Interruption): void | Promise<void>
  restore?(): void | Promise<void>

  /** The clock that the clients use. Default: Node's. */
  readonly runtime?: Runtime
  /** With a runtime that stands still by itself: moves it and lets everything run that becomes due. The suite then never really waits. */
  advance?(ms: number): Promise<void>
}

export interface MetadataStoreContractOptions {
  readonly name: string
  readonly harness: () => MetadataStoreHarness | Promise<MetadataStoreHarness>
  /** What the adapter is expected to claim: compared with what its `capabilities` say. */
  readonly capabilities: StoreCapabilities
  /** The TTL that is asked for. As short as the server grants; default 400 ms. */
  readonly ttlMs?: number
  /** The deadline of an operation in cases where the store is away; default 600 ms. */
  readonly timeoutMs?: number
  /** The longest that one case may take; default 30 s. */
  readonly caseTimeoutMs?: number
}
