// The grammar of the bytes on a connection. Everything that writes or reads them uses these constants.
//
//   connection := hello [challenge proof] (welcome message* | reject)        the dialer says hello and proof, the acceptor the rest
//   message    := data | ping | pong | bye
//
//    0        1                 4
//   +--------+--------+--------+--------+---------------------+
//   | type   | length of the body (u24) | body ...            |        all integers are big-endian
//   +--------+--------+--------+--------+---------------------+
//
//   01 hello     magic "CAJN", lowest u8, highest u8 version, serial u32, limit u32, cluster, node, process, expected node, expected process,
//                nonce 32 bytes
//   02 welcome   version u8, serial u32, limit u32, node, process, proof (length u8: 0 without a shared secret, or 32)
//   03 reject    code u8, text
//   04 data      a frame of core: 1 to `maxFrameBytes` bytes
//   05 ping      id u32; sent when nothing was heard for a while (id 0), and by ping()
//   06 pong      the same id
//   07 bye       code u8, text; the last message of the one who closes
//   08 challenge version u8, nonce 32 bytes; asks for a proof of the shared secret
//   09 proof     key id, proof 32 bytes
//
//   cluster, node, process, key id: length u8, UTF-8. text: length u8, UTF-8, for logs alone. serial: see admission.ts. limit: maxFrameBytes.
//
// Gotcha: this is on the wire. Types, the head and the beginning of hello up to the versions never change; everything else only
// with a new protocol version.

export const HEAD_BYTES = 4
/** What the length field can say. */
export const MAX_BODY_BYTES = 0xff_ffff

export const HELLO = 0x01
export const WELCOME = 0x02
export const REJECT = 0x03
export const DATA = 0x04
export const PING = 0x05
export const PONG = 0x06
export const BYE = 0x07
export const CHALLENGE = 0x08
export const PROOF = 0x09

export const MAGIC = 0x43_41_4a_4e
/** Version 1 had no nonce and no proofs. */
export const LOWEST_VERSION = 2
export const HIGHEST_VERSION = 2

/** Everything that a connection may bring before its handshake is complete, heads included. */
export const HANDSHAKE_LIMIT_BYTES = 4_096
/** Of a name: cluster, node or process id. */
export const MAX_NAME_BYTES = 255

/** The largest body of each type; 0: the type is not allowed. Indexed by the type byte, so that a size is refused before anything is buffered. */
export type BodyLimits = Uint32Array

export function bodyLimits(limits: ReadonlyArray<readonly [type: number, maxBytes: number]>): BodyLimits {
  const table = new Uint32Array(256)
  for (const [type, maxBytes] of limits) table[type] = maxBytes
  return table
}

/** A whole message in one buffer: for everything but data. */
export function encodeMessage(type: number, body: Uint8Array): Uint8Array {
  const message = new Uint8Array(HEAD_BYTES + body.byteLength)
  writeHead(message, 0, type, body.byteLength)
  message.set(body, HEAD_BYTES)
  return message
}

export function writeHead(target: Uint8Array, at: number, type: number, bodyBytes: number): void {
  target[at] = type
  target[at + 1] = bodyBytes >>> 16
  target[at + 2] = bodyBytes >>> 8
  target[at + 3] = bodyBytes
}
