// The grammar of packets: what brokers carry. Everything that writes or reads them uses this.
//
//    0     1      2         18          24          30        36        42
//   +-----+------+---------+-----------+-----------+---------+---------+----------+-----------+
//   | ver | type | to (16) | to id (6) | from (6)  | seq (6) | ack (6) | body ... | signature |      integers are big-endian
//   +-----+------+---------+-----------+-----------+---------+---------+----------+-----------+
//
//   ver      1, with the highest bit set when the packet is signed
//   to       the process that it is for: the first 16 bytes of SHA-256 over cluster, node and process id, each with its length (u32) in front
//   to id    the receiver's number of the channel, 0 in `open` and in a `reset` by one who does not know it; from: the sender's. Random, never reused
//   seq      of the channel and direction: `open` and `accept` are 0, each `data` and `end` is one higher; `ack` and `reset` repeat the last
//   ack      the highest number received of the other direction
//   signature  key id u8, HMAC-SHA-256 (32 bytes) over all before it and then the 16 bytes that name the sender
//
//   01 open      from (16), name of the sender's inbox (UTF-8)
//   02 accept    from (16), name of the sender's inbox (UTF-8)
//   03 data      a piece of the stream of bytes, 1 to maxPacketBytes less the head
//   04 ack       empty
//   05 end       empty; no data follows
//   06 reset     why, UTF-8, at most 200 bytes, for logs alone
//
// Gotcha: this is on the wire, and in inboxes that outlive a process.

import { createHash } from 'node:crypto'
import { type LocalIdentity, ProtocolError } from '@cajun/core/adapter'

export const OPEN = 0x01
export const ACCEPT = 0x02
export const DATA = 0x03
export const ACK = 0x04
export const END = 0x05
export const RESET = 0x06

export const HEAD_BYTES = 42
export const TAG_BYTES = 16
export const VERSION = 1
const SIGNED = 0x80
/** Of an inbox's name: what AMQP allows, and more than Kafka does. */
const MAX_INBOX_BYTES = 255
const MAX_REASON_BYTES = 200

export interface Packet {
  readonly type: number
  /** Of the process that it is for. */
  readonly to: Uint8Array
  readonly toId: number
  readonly fromId: number
  readonly seq: number
  readonly ack: number
  readonly body: Uint8Array
}

/** `open` and `accept` say who sends, and where he is reached. */
export interface Introduction {
  readonly tag: Uint8Array
  readonly inbox: string
}

/** Names a process in 16 bytes. */
export function processTag({ clusterId, nodeId, processId }: LocalIdentity): Buffer {
  const hash = createHash('sha256')
  for (const name of [clusterId, nodeId, processId]) {
    const bytes = Buffer.from(name)
    const length = Buffer.alloc(4)
    length.writeUInt32BE(bytes.byteLength)
    hash.update(length).update(bytes)
  }
  return hash.digest().subarray(0, TAG_BYTES)
}

/** The body is given in parts; `reserve` bytes stay free at the end. */
export function encodePacket(packet: Omit<Packet, 'body'>, parts: readonly Uint8Array[], signed: boolean, reserve: number): Buffer {
  let bytes = HEAD_BYTES + reserve
  for (const part of parts) bytes += part.byteLength
  const made = Buffer.allocUnsafe(bytes)
  made[0] = signed ? VERSION | SIGNED : VERSION
  made[1] = packet.type
  made.set(packet.to, 2)
  made.writeUIntBE(packet.toId, 18, 6)
  made.writeUIntBE(packet.fromId, 24, 6)
  made.writeUIntBE(packet.seq, 30, 6)
  made.writeUIntBE(packet.ack, 36, 6)
  let at = HEAD_BYTES
  for (const part of parts) {
    made.set(part, at)
    at += part.byteLength
  }
  return made
}

export function isSigned(bytes: Uint8Array): boolean {
  return ((bytes[0] ?? 0) & SIGNED) !== 0
}

/** `bytes` without the signature. Parts of the result are views. Throws {@link ProtocolError}. */
export function decodePacket(bytes: Uint8Array): Packet {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (source.byteLength < HEAD_BYTES) throw new ProtocolError(`a packet of ${source.byteLength} bytes; its head alone has ${HEAD_BYTES}`)
  const version = source.readUInt8(0) & ~SIGNED
  if (version !== VERSION) throw new ProtocolError(`a packet of version ${version}; ${VERSION} is spoken here`)
  const type = source.readUInt8(1)
  if (type < OPEN || type > RESET) throw new ProtocolError(`a packet of type ${type}; there are ${OPEN} to ${RESET}`)
  const body = source.subarray(HEAD_BYTES)
  const empty = body.byteLength === 0
  if (type === DATA ? empty : (type === ACK || type === END) && !empty) {
    throw new ProtocolError(`a packet of type ${type} with ${body.byteLength} bytes`)
  }
  return {
    type,
    to: source.subarray(2, 2 + TAG_BYTES),
    toId: source.readUIntBE(18, 6),
    fromId: source.readUIntBE(24, 6),
    seq: source.readUIntBE(30, 6),
    ack: source.readUIntBE(36, 6),
    body,
  }
}

export function encodeIntroduction({ tag, inbox }: Introduction): Uint8Array {
  return Buffer.concat([tag, Buffer.from(inbox)])
}

/** Throws {@link ProtocolError}. */
export function decodeIntroduction(body: Uint8Array): Introduction {
  const nameBytes = body.byteLength - TAG_BYTES
  if (nameBytes < 1 || nameBytes > MAX_INBOX_BYTES) {
    throw new ProtocolError(`an introduction of ${body.byteLength} bytes; ${TAG_BYTES + 1} to ${TAG_BYTES + MAX_INBOX_BYTES} are possible`)
  }
  return { tag: body.slice(0, TAG_BYTES), inbox: Buffer.from(body.subarray(TAG_BYTES)).toString() }
}

export function encodeReason(text: string): Uint8Array {
  return Buffer.from(text).subarray(0, MAX_REASON_BYTES)
}

/** Of whatever length: only the beginning is kept. */
export function decodeReason(body: Uint8Array): string {
  return Buffer.from(body.subarray(0, MAX_REASON_BYTES)).toString()
}
