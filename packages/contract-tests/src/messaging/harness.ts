// What whoever tests a transport provides: systems on one network, and as many ways of breaking that network as can be arranged.

import type { MessagingCapabilities, MessagingSystem, Runtime } from '@cajun/core/adapter'

export interface SystemOptions {
  /** The cluster that it is started for, if that is not the case's own: for harnesses that have to name it, in certificates. */
  readonly clusterId?: string
  /** Listen where this one does: `start` must fail. Only with `fixedAddresses`. */
  readonly sameAddressAs?: string
}

export interface BrokerFaults {
  /** It is gone at once, with what it had not stored. */
  kill(): Promise<void>
  /** It is back, at the same place. */
  restart(): Promise<void>
  /** Connections stay open, and nothing moves. */
  freeze(): Promise<void>
  thaw(): Promise<void>
}

/** Made for each case anew, and disposed of after it. Systems are started and stopped by the suite. */
export interface MessagingHarness extends AsyncDisposable {
  /** A system that plays a process of this node and is not started yet. */
  system(nodeId: string, options?: SystemOptions): MessagingSystem
  /** The address that `from` is to use for `to`, so that the faults below can be put in between. Default: `address` itself. */
  route?(from: string, to: string, address: string): string | Promise<string>
  /** A second system can be told to listen at a given address (ports; not brokers). */
  readonly fixedAddresses?: boolean

  /** Nothing passes from one node to the other any more; nobody is told, and nothing of it is lost: it waits, as far as buffers go. */
  cut?(from: string, to: string): void | Promise<void>
  /** Undoes `cut` both ways. What waited arrives, or its connection is reset. */
  restore?(a: string, b: string): void | Promise<void>
  /** What connects two nodes breaks at once; a new connection can be made at once. */
  drop?(a: string, b: string): void | Promise<void>
  /** The process stands still, as under SIGSTOP. */
  freeze?(nodeId: string): void | Promise<void>
  thaw?(nodeId: string): void | Promise<void>
  /** Bytes that are not the protocol, sent to `address` by a stranger. */
  intrude?(address: string, bytes: Uint8Array): void | Promise<void>
  /** Bytes that are not the protocol, on the existing connection from one node to the other. */
  garble?(from: string, to: string): void | Promise<void>
  /** What carries everything between all nodes, if there is such a thing. */
  readonly broker?: BrokerFaults
  /** How many connections between two nodes exist now. */
  connections?(a: string, b: string): number
  /** How many connections `from` has begun towards `to` so far. */
  attempts?(from: string, to: string): number

  /** The clock that the systems use. Default: Node's. */
  readonly runtime?: Runtime
  /** With a runtime that stands still by itself: moves it and lets everything run that becomes due. The suite then never really waits. */
  advance?(ms: number): Promise<void>
}

export interface MessagingContractOptions {
  readonly name: string
  /** The cluster of the cases, where the harness has to know it beforehand. Default: a new one for each case. */
  readonly clusterId?: string
  readonly harness: () => MessagingHarness | Promise<MessagingHarness>
  /** What the transport is expected to claim: compared with what its `capabilities` say. A small `maxFrameBytes` makes the suite quick. */
  readonly capabilities: MessagingCapabilities
  /** As the harness's systems have it. */
  readonly highWaterMarkBytes: number
  /** As the harness's systems have it. Short makes the suite quick; too short breaks promises on a loaded machine. */
  readonly heartbeatTimeoutMs: number
  /** The longest wait between two attempts to connect, as the harness's systems have it. */
  readonly maxReconnectDelayMs: number
  /** The longest that one case may take; default 30 s. */
  readonly caseTimeoutMs?: number
}
