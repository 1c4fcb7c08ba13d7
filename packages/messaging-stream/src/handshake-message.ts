// Hello, welcome, reject and bye as bytes and as objects. Pure; every length is checked before it is believed.

import { type LocalIdentity, type PeerId, ProtocolError } from '@cajun/core/adapter'
import { NONCE_BYTES, PROOF_BYTES } from './authenticator.ts'
import { BYE, CHALLENGE, encodeMessage, HELLO, HIGHEST_VERSION, MAGIC, MAX_NAME_BYTES, PROOF, REJECT, WELCOME } from './wire-format.ts'

export interface Hello {
  readonly lowestVersion: number
  readonly highestVersion: number
  readonly serial: number
  readonly maxFrameBytes: number
  readonly from: LocalIdentity
  readonly expected: PeerId
  readonly nonce: Uint8Array
}

export interface Welcome {
  readonly version: number
  readonly serial: number
  readonly maxFrameBytes: number
  readonly from: PeerId
  /** Empty: without a shared secret. */
  readonly proof: Uint8Array
}

export interface Challenge {
  readonly version: number
  readonly nonce: Uint8Array
}

export interface Proof {
  readonly keyId: string
  readonly proof: Uint8Array
}

/** Why a connection was refused or closed, as a number on the wire. Gotcha: numbers are never reused. */
export const REASONS = {
  version: 1,
  cluster: 2,
  node: 3,
  process: 4,
  disconnected: 5,
  preferred: 6,
  tie: 7,
  stale: 8,
  limit: 9,
  protocol: 10,
  stopped: 11,
  replaced: 12,
  unknown: 13,
  certificate: 14,
  secret: 15,
} as const

export type Reason = keyof typeof REASONS

export interface Farewell {
  /** `undefined`: a reason of a later version. */
  readonly reason: Reason | undefined
  readonly text: string
}

const reasonsByCode = new Map<number, Reason>(Object.entries(REASONS).map(([reason, code]) => [code, reason as Reason]))
const utf8 = new TextEncoder()
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function encodeHello(hello: Hello): Uint8Array {
  const writer = new Writer()
  writer.u32(MAGIC)
  writer.u8(hello.lowestVersion)
  writer.u8(hello.highestVersion)
  writer.u32(hello.serial)
  writer.u32(hello.maxFrameBytes)
  writer.name(hello.from.clusterId)
  writer.name(hello.from.nodeId)
  writer.name(hello.from.processId)
  writer.name(hello.expected.nodeId)
  writer.name(hello.expected.processId)
  writer.raw(hello.nonce)
  return encodeMessage(HELLO, writer.bytes())
}

/** Throws {@link ProtocolError}. What a later version may have appended is ignored if its sender speaks one of ours too. */
export function decodeHello(body: Uint8Array): Hello {
  const reader = new Reader('hello', body)
  if (reader.u32() !== MAGIC) throw new ProtocolError('hello does not begin with "CAJN": this is not a peer')
  const lowestVersion = reader.u8()
  const highestVersion = reader.u8()
  if (lowestVersion === 0 || lowestVersion > highestVersion) {
    throw new ProtocolError(`hello with versions ${lowestVersion} to ${highestVersion}`)
  }
  const serial = reader.u32()
  const maxFrameBytes = reader.u32()
  const from = { clusterId: reader.name(), nodeId: reader.name(), processId: reader.name() }
  const expected = { nodeId: reader.name(), processId: reader.name() }
  const nonce = reader.raw(NONCE_BYTES)
  if (highestVersion <= HIGHEST_VERSION) reader.end()
  return { lowestVersion, highestVersion, serial, maxFrameBytes, from, expected, nonce }
}

export interface VersionRange {
  readonly lowest: number
  readonly highest: number
}

/** The highest version that both speak; undefined: none. */
export function commonVersion(ours: VersionRange, theirs: VersionRange): number | undefined {
  const version = Math.min(theirs.highest, ours.highest)
  return version >= Math.max(theirs.lowest, ours.lowest) ? version : undefined
}

export function encodeChallenge(challenge: Challenge): Uint8Array {
  const writer = new Writer()
  writer.u8(challenge.version)
  writer.raw(challenge.nonce)
  return encodeMessage(CHALLENGE, writer.bytes())
}

export function decodeChallenge(body: Uint8Array): Challenge {
  const reader = new Reader('challenge', body)
  const challenge = { version: reader.u8(), nonce: reader.raw(NONCE_BYTES) }
  reader.end()
  return challenge
}

export function encodeProof(proof: Proof): Uint8Array {
  const writer = new Writer()
  writer.name(proof.keyId)
  writer.raw(proof.proof)
  return encodeMessage(PROOF, writer.bytes())
}

export function decodeProof(body: Uint8Array): Proof {
  const reader = new Reader('proof', body)
  const proof = { keyId: reader.name(), proof: reader.raw(PROOF_BYTES) }
  reader.end()
  return proof
}

export function encodeWelcome(welcome: Welcome): Uint8Array {
  const writer = new Writer()
  writer.u8(welcome.version)
  writer.u32(welcome.serial)
  writer.u32(welcome.maxFrameBytes)
  writer.name(welcome.from.nodeId)
  writer.name(welcome.from.processId)
  writer.u8(welcome.proof.byteLength)
  writer.raw(welcome.proof)
  return encodeMessage(WELCOME, writer.bytes())
}

export function decodeWelcome(body: Uint8Array): Welcome {
  const reader = new Reader('welcome', body)
  const welcome = {
    version: reader.u8(),
    serial: reader.u32(),
    maxFrameBytes: reader.u32(),
    from: { nodeId: reader.name(), processId: reader.name() },
    proof: reader.proof(),
  }
  reader.end()
  return welcome
}

export function encodeReject(reason: Reason, text: string): Uint8Array {
  return encodeMessage(REJECT, encodeFarewell(reason, text))
}

export function encodeBye(reason: Reason, text: string): Uint8Array {
  return encodeMessage(BYE, encodeFarewell(reason, text))
}

export function decodeFarewell(body: Uint8Array): Farewell {
  const reader = new Reader('reject or bye', body)
  const code = reader.u8()
  const text = reader.text()
  reader.end()
  return { reason: reasonsByCode.get(code), text }
}

/** Whether a name fits on the wire. */
export function nameFits(name: string): boolean {
  return name.length > 0 && name.isWellFormed() && Buffer.byteLength(name) <= MAX_NAME_BYTES
}

function encodeFarewell(reason: Reason, text: string): Uint8Array {
  const writer = new Writer()
  writer.u8(REASONS[reason])
  writer.text(text)
  return writer.bytes()
}

class Writer {
  readonly #bytes: number[] = []

  u8(value: number): void {
    this.#bytes.push(value & 0xff)
  }

  u32(value: number): void {
    this.#bytes.push(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
  }

  name(value: string): void {
    const bytes = utf8.encode(value)
    if (bytes.byteLength === 0 || bytes.byteLength > MAX_NAME_BYTES) throw new TypeError(`name of ${bytes.byteLength} bytes in a handshake`)
    this.u8(bytes.byteLength)
    this.#bytes.push(...bytes)
  }

  raw(bytes: Uint8Array): void {
    this.#bytes.push(...bytes)
  }

  text(value: string): void {
    const target = new Uint8Array(MAX_NAME_BYTES)
    const { written } = utf8.encodeInto(value, target)
    this.u8(written)
    this.#bytes.push(...target.subarray(0, written))
  }

  bytes(): Uint8Array {
    return Uint8Array.from(this.#bytes)
  }
}

class Reader {
  readonly #what: string
  readonly #body: Uint8Array
  #at = 0

  constructor(what: string, body: Uint8Array) {
    this.#what = what
    this.#body = body
  }

  u8(): number {
    const value = this.#body[this.#at++]
    if (value === undefined) throw new ProtocolError(`${this.#what} is cut short`)
    return value
  }

  u32(): number {
    return ((this.u8() << 24) | (this.u8() << 16) | (this.u8() << 8) | this.u8()) >>> 0
  }

  name(): string {
    const bytes = this.#counted()
    if (bytes.byteLength === 0) throw new ProtocolError(`${this.#what} holds an empty name`)
    try {
      return strictUtf8.decode(bytes)
    } catch {
      throw new ProtocolError(`${this.#what} holds a name that is not UTF-8`)
    }
  }

  raw(length: number): Uint8Array {
    const bytes = this.#body.subarray(this.#at, this.#at + length)
    if (bytes.byteLength < length) throw new ProtocolError(`${this.#what} is cut short`)
    this.#at += length
    return bytes
  }

  proof(): Uint8Array {
    const length = this.u8()
    if (length !== 0 && length !== PROOF_BYTES) throw new ProtocolError(`${this.#what} holds a proof of ${length} bytes`)
    return this.raw(length)
  }

  /** For logs: what is not printable becomes a question mark, so that a peer can't write lines of its own into them. */
  text(): string {
    return Buffer.from(this.#counted())
      .toString('utf8')
      .replaceAll(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, '?')
  }

  end(): void {
    if (this.#at !== this.#body.byteLength) throw new ProtocolError(`${this.#what} is longer than it says`)
  }

  #counted(): Uint8Array {
    return this.raw(this.u8())
  }
}
