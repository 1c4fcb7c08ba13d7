// What packages beside core need to implement a store or a transport, what the simulation reuses and the bench measures. Users import from '@cajun/core'.

export { parseNodeRecord } from './cluster/node-record.ts'
export { parsePlacement } from './cluster/placement-codec.ts'
export { initialPlacement, type PlacementDocument, type PlacementEntry } from './cluster/placement-document.ts'
export { PlacementViews } from './cluster/placement-views.ts'
export { type PlanCandidate, plan } from './cluster/planner.ts'
export type { Guarantee } from './delivery/guarantee.ts'
export { OutStreams } from './delivery/out-streams.ts'
export {
  CajunError,
  ClosedError,
  ConfigError,
  ProtocolError,
  SessionLostError,
  StoreCapabilityError,
  StoreRefusedError,
  StoreUnavailableError,
  TransportError,
  UnknownOutcomeError,
} from './errors.ts'
export { shardOf } from './hashing/key-hash.ts'
export type {
  LocalIdentity,
  MessagingCapabilities,
  MessagingHandler,
  MessagingSystem,
  PeerAddress,
  PeerId,
} from './messaging/messaging-system.ts'
export { BaseMetadataStore } from './metadata/base-metadata-store.ts'
export { ConnectionKeeper, type ConnectionKeeperOptions } from './metadata/connection-keeper.ts'
export { KeptConnection } from './metadata/kept-connection.ts'
export { type DatabasePutOptions, MemoryDatabase, type MemoryDatabaseOptions } from './metadata/memory-database.ts'
export type { BatchRequest, KeyValue, PutRequest } from './metadata/metadata-adapter.ts'
export type {
  Campaign,
  Change,
  DeleteOptions,
  Entry,
  Guard,
  Leadership,
  MetadataStore,
  PutAllResult,
  PutOptions,
  StoreCapabilities,
  Watch,
  WatchEvent,
  WriteResult,
} from './metadata/metadata-store.ts'
export type { Session } from './metadata/session.ts'
export type { Fate, StoreCall } from './metadata/store-call.ts'
export { type MetadataStoreOptions, metadataStoreDefaults, resolveMetadataStoreOptions } from './metadata/store-options.ts'
export type { WatchSink } from './metadata/watch-feed.ts'
export { newIdentity } from './runtime/identity.ts'
export { LeaseClock } from './runtime/lease-clock.ts'
export { nodeRuntime } from './runtime/node-runtime.ts'
export type { Runtime, Timer } from './runtime/runtime.ts'
