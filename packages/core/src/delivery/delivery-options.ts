// What a DeliveryEndpoint is built from, and what accompanies a message that is sent through it.

import type { ActorAddress } from '../messaging/address.ts'
import type { LocalIdentity, MessagingSystem, PeerId } from '../messaging/messaging-system.ts'
import type { ProtocolRange } from '../messaging/protocol-version.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { DeadLetterReason } from './dead-letter-reason.ts'
import type { DeliveryLimits } from './delivery-limits.ts'
import { GUARANTEES, type Guarantee, isGuarantee } from './guarantee.ts'
import type { PlacementView } from './placement-view.ts'
import type { Tenure } from './tenure.ts'

/** A message that ended otherwise than handled, and that nobody waits for. */
export interface UndeliveredMessage {
  readonly address: ActorAddress
  readonly type: string
  readonly reason: DeadLetterReason
  readonly error?: unknown
  readonly messageId?: string
  readonly sender?: ActorAddress | undefined
}

export interface DeliveryOptions {
  readonly runtime: Runtime
  readonly local: LocalIdentity
  readonly transport: MessagingSystem
  readonly placement: PlacementView
  readonly limits?: Partial<DeliveryLimits>
  /** Default: exactly-once. */
  readonly defaultGuarantee?: Guarantee
  /** Local payloads pass through the codec too, so that sharing is found early. Default false. */
  readonly strict?: boolean
  /** The session TTL: a reliable deadline at or below it plus 2 s is warned of once, because a node's death would outlast it. */
  readonly ttlMs?: number
  /** Whether this process's lease is safe: what turns caused may leave. Checked when bytes are handed to the transport. Default: always. */
  readonly mayLeave?: () => boolean
  readonly onDeadLetter?: (letter: UndeliveredMessage) => void
  /** Somebody sent under a higher epoch than the view's: read the document from the store, then call `placementChanged`. May be called often. */
  readonly onViewBehind?: (kind: string, epoch: number) => void
  readonly onControl?: (from: PeerId, body: unknown) => void
  /** Whether the store says that this is the present process of its node: who is not, is not let in. Default: everybody is. */
  readonly isCurrent?: (peer: PeerId) => boolean | Promise<boolean>
  readonly onPeerUp?: (peer: PeerId) => void
  readonly onPeerDown?: (peer: PeerId, reason: Error) => void
  /**
   * What went wrong below: `ProtocolError`: bytes that are not what the protocol says, the link was reset; otherwise a peer can't be reached, or, without
   * `peer`, this process listens no more. The transport tries again by itself.
   */
  readonly onTransportError?: (error: Error, peer: PeerId | undefined) => void
  /** What this process reads and can write. Default: this release's; tests make up another. */
  readonly protocol?: ProtocolRange
  readonly onWarning?: (message: string) => void
}

/** Per message. All optional; undefined as a whole for a plain message from outside any actor. */
export interface DeliveryCall {
  readonly guarantee?: Guarantee | undefined
  readonly timeoutMs?: number | undefined
  readonly signal?: AbortSignal | undefined
  /** Read at once, not kept. */
  readonly sender?: ActorAddress | undefined
  readonly chain?: readonly string[] | undefined
  /** The tenure whose turn sends it: the message leaves only while that tenure is active and may leave; it is dead-lettered `fenced` when that is discarded first. */
  readonly from?: Tenure | undefined
}

/** Throws a `TypeError` for what the types forbid: taken silently, a guarantee that is misspelt would be another one than was meant. */
export function checkCall({ guarantee, timeoutMs }: DeliveryCall): void {
  if (guarantee !== undefined && !isGuarantee(guarantee)) {
    throw new TypeError(`guarantee is '${String(guarantee)}'; it must be one of ${GUARANTEES.join(', ')}`)
  }
  if (timeoutMs !== undefined && !(typeof timeoutMs === 'number' && timeoutMs > 0)) {
    throw new TypeError(`timeoutMs is ${String(timeoutMs)}; it must be a number of milliseconds above 0`)
  }
}
