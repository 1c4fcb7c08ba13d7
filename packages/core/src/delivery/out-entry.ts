// One message that this process has accepted and that has not ended: what is needed to send it again, and who waits for it.

import type { ActorAddress } from '../messaging/address.ts'
import type { NativeBuffer } from '../messaging/native-buffer.ts'
import { Deadline } from '../runtime/deadline-sweep.ts'
import type { LocalMessage } from './local-message.ts'
import type { OutStream } from './out-stream.ts'
import type { Peer } from './peer.ts'
import type { PeerFrame } from './peer-frame.ts'
import type { Tenure } from './tenure.ts'

/** Whose promise a message settles. */
export interface Waiter {
  resolve(value: unknown): void
  reject(error: unknown): void
}

export class OutEntry extends Deadline {
  id = 0
  stream: OutStream
  readonly type: string
  isReliable = true
  isAsk = false
  /** The owner kept the ask as state: it is reminded of it, never told to run it again. */
  isStashed = false
  /** The id is known outside of this entry (a turn has seen it, or it was transmitted), so it can't change any more. */
  isExposed = false
  /** Encoded: `bytes[start, end)`, most often within the slab that it was first sent in. Local messages that were never encoded have `value` instead. */
  bytes: NativeBuffer | undefined = undefined
  start = 0
  end = 0
  value: unknown = undefined
  /** What it counts against the bounds. */
  cost = 0
  atMs = 0
  sender: ActorAddress | undefined = undefined
  chain: readonly string[] | undefined = undefined
  from: Tenure | undefined = undefined
  waiter: Waiter | undefined = undefined
  signal: AbortSignal | undefined = undefined
  onAbort: (() => void) | undefined = undefined
  /** Whom it was last sent to, and under which epoch: acknowledgements of any other are ignored. */
  sentTo: Peer | undefined = undefined
  sentEpoch = -1
  /** The frame that it was last written to, and where its item begins. Undefined: not written under the present route. */
  frame: PeerFrame | undefined = undefined
  itemAt = 0
  /** Its bytes were handed to the transport at some time: it may have been executed. */
  wasTransmitted = false
  /** A turn of this process was started for it, and given up with its owner. */
  hasBegun = false
  /** While it is in the mailbox of this process. */
  local: LocalMessage | undefined = undefined
  /** Owner deaths that it was in hand at (the first: may have been). Above 0 it is suspect. */
  deaths = 0
  /** Owners whose deaths would count: that it may have reached, or that have announced its turn. */
  holders: Peer[] | undefined = undefined
  /** Its present owner was told that it is suspect (or its death has been counted): being sent there alone says nothing. */
  isSentAsSuspect = false
  /** Neighbours among the outstanding messages of the stream, in order. */
  previous: OutEntry | undefined = undefined
  next: OutEntry | undefined = undefined
  isEnded = false
  readonly #onExpired: (entry: OutEntry) => void

  constructor(stream: OutStream, type: string, onExpired: (entry: OutEntry) => void) {
    super()
    this.stream = stream
    this.type = type
    this.#onExpired = onExpired
  }

  /** It may have reached an owner: under this route, or an earlier one. */
  get mayHaveArrived(): boolean {
    return this.wasTransmitted || (this.frame?.handed ?? false)
  }

  /** It may have been executed elsewhere than where it was sent last: that it is refused there says nothing of that. */
  get mayHaveRunBefore(): boolean {
    return this.wasTransmitted || this.hasBegun
  }

  /** Its turn may have been in hand there when that died. */
  held(by: Peer): void {
    if (this.holders === undefined) this.holders = [by]
    else if (!this.holders.includes(by)) this.holders.push(by)
  }

  /** Deaths that count, and those that may yet become known: what the next owner has to be told. */
  suspicionAt(owner: Peer): number {
    let suspicion = this.deaths
    if (this.holders !== undefined) for (const holder of this.holders) if (holder !== owner) suspicion++
    return suspicion
  }

  /** This process is gone. `true`: that counts, because the message was in hand there, or (nobody suspected it) may have been. */
  countsDeathOf(peer: Peer): boolean {
    const at = this.holders?.indexOf(peer) ?? -1
    if (at >= 0) this.holders?.splice(at, 1)
    else if (this.isSentAsSuspect || this.sentTo !== peer || !this.mayHaveArrived) return false
    this.deaths++
    this.isSentAsSuspect = true
    return true
  }

  override expired(): void {
    this.#onExpired(this)
  }
}
