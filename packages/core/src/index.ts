// What users import. Explicit names: nothing is public by accident. Store and transport adapters import './adapter.ts' beside it.

// Actors
export { ActorSystem, type ActorSystemOptions, type LocalMetrics } from './actor/actor-system.ts'
export type { BackoffOptions } from './actor/backoff.ts'
export type { ActorTimers, Context } from './actor/context.ts'
export type { DeadLetter } from './actor/dead-letter.ts'
export {
  type ActorDefinition,
  type ActorOptions,
  type ActorSpec,
  type ContractSpec,
  defineActor,
  implement,
  type MailboxOptions,
  type OverflowPolicy,
  type ProtocolOf,
  type ProtocolOfDefinition,
  type RetryOptions,
} from './actor/definition.ts'
export { ConsoleLogger, type Logger, type LogLevel } from './actor/logger.ts'
export type { AnyProtocol, MessageArguments, MessageName, Payload, Protocol, Reply, SendOptions } from './actor/protocol.ts'
export { ActorRef, type AnyRef } from './actor/ref.ts'
export type { StandardSchema } from './actor/standard-schema.ts'
export type { StopReason, Terminated, TerminationReason } from './actor/stop-reason.ts'
export type { Directive, Failure, SupervisionOptions, SupervisionStrategy } from './actor/supervision.ts'

// Clusters
export type { ActorEntry } from './cluster/actor-listing.ts'
export { ClusterActorSystem, type RegisterOptions } from './cluster/cluster-actor-system.ts'
export type { ClusterEventMap, ClusterEventName, ClusterEvents, EventUnit, HandoffEvent } from './cluster/cluster-events.ts'
export type { ActorLocation, ActorPage, ClusterManager, ManagementOptions, NodeStatus } from './cluster/cluster-manager.ts'
export { type ClusterOptions, clusterDefaults, type HandoffOptions, type StaticPeer } from './cluster/cluster-options.ts'
export type { ClusterHealth, HealthStatus, PeerHealth } from './cluster/health.ts'
export type { HistogramSnapshot } from './cluster/histogram.ts'
export type { ClusterMetricsSnapshot } from './cluster/metrics.ts'
export { MAX_PINS } from './cluster/placement-document.ts'
export type { PlanOptions } from './cluster/planner.ts'

// Delivery
export type { DeadLetterReason } from './delivery/dead-letter-reason.ts'
export { DEFAULT_DELIVERY_LIMITS, type DeliveryLimits } from './delivery/delivery-limits.ts'
export { DEFAULT_GUARANTEE, type Guarantee } from './delivery/guarantee.ts'
// Errors
export {
  ActorFailedError,
  AskCycleError,
  CajunError,
  ClosedError,
  ConfigError,
  DeliveryUnknownError,
  DuplicateActorError,
  type ErrorCode,
  IncompatibleClusterError,
  InvalidActorIdError,
  InvalidPayloadError,
  ManagementError,
  NodeIdTakenError,
  NotExecutedError,
  PayloadTooLargeError,
  ProtocolError,
  SessionLostError,
  StoreCapabilityError,
  StoreRefusedError,
  StoreUnavailableError,
  TransportError,
  UnknownKindError,
  UnknownOutcomeError,
  UnserialisablePayloadError,
} from './errors.ts'
// Hashing: a promise, see hashing/key-hash.ts
export { HASH_VERSION, hashKey, shardOf } from './hashing/key-hash.ts'
export { type ActorAddress, formatAddress } from './messaging/address.ts'
export type { MessagingSystem } from './messaging/messaging-system.ts'
export type { MetadataStore } from './metadata/metadata-store.ts'
export { nodeRuntime } from './runtime/node-runtime.ts'
export type { Runtime, Timer } from './runtime/runtime.ts'
