// The frame key: signs each packet, so that one who may write to the broker and does not have the key can neither forge, alter, redirect nor replay
// one. It hides nothing. Pure.
//
// What a signature covers: the whole packet, so the process that it is for, both channel ids and the number within the channel; and who sends. A packet
// sent once more is a repetition within its channel, which is dropped; in any other channel its ids are wrong, because each side takes new random ones.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { ConfigError } from '@cajun/core/adapter'
import { isSigned } from './packet.ts'

export interface FrameKey {
  /** 0 to 255, in clear on each packet: which of the keys it was. */
  readonly id: number
  /** At least 32 bytes that nobody can guess; a string counts in UTF-8. */
  readonly secret: Uint8Array | string
}

const SIGNATURE_BYTES = 33
const MAC_BYTES = 32
const LEAST_SECRET_BYTES = 32

/** Why a packet was not taken. */
export type Distrust = 'unsigned' | 'signed' | 'unknown key' | 'forged'

export class FrameKeys {
  readonly #keys: ReadonlyMap<number, Uint8Array>
  readonly #signingId: number | undefined
  /** What a signature adds to a packet. */
  readonly signatureBytes: number

  /** The first signs; all of them are believed. None: nothing is signed, and what is signed is refused. Throws {@link ConfigError}. */
  constructor(keys: readonly FrameKey[]) {
    if (keys.length > 2) throw new ConfigError(`option frameKeys has ${keys.length} keys; one, and during a rotation two`)
    for (const { id, secret } of keys) {
      if (!Number.isInteger(id) || id < 0 || id > 255)
        throw new ConfigError(`option frameKeys: a key has the id ${id}; it must be 0 to 255`)
      const bytes = typeof secret === 'string' ? Buffer.byteLength(secret) : secret.byteLength
      if (bytes < LEAST_SECRET_BYTES) {
        throw new ConfigError(`option frameKeys: the secret of key ${id} has ${bytes} bytes; it must have at least ${LEAST_SECRET_BYTES}`)
      }
    }
    if (new Set(keys.map(({ id }) => id)).size < keys.length) throw new ConfigError('option frameKeys: both keys have the same id')
    this.#keys = new Map(keys.map(({ id, secret }) => [id, typeof secret === 'string' ? Buffer.from(secret) : secret.slice()]))
    this.#signingId = keys[0]?.id
    this.signatureBytes = keys.length === 0 ? 0 : SIGNATURE_BYTES
  }

  get areSet(): boolean {
    return this.#signingId !== undefined
  }

  /** Writes the signature into the last `signatureBytes` of the packet. */
  sign(packet: Uint8Array, from: Uint8Array): void {
    if (this.#signingId === undefined) return
    const end = packet.byteLength - MAC_BYTES
    packet[end - 1] = this.#signingId
    packet.set(this.#mac(this.#signingId, packet.subarray(0, end), from), end)
  }

  /** `from`: who must have sent it. Undefined: it is to be trusted. */
  distrust(packet: Uint8Array, from: Uint8Array): Distrust | undefined {
    const problem = this.#formally(packet)
    if (problem !== undefined || this.#signingId === undefined) return problem
    const end = packet.byteLength - MAC_BYTES
    const mac = this.#mac(packet[end - 1] as number, packet.subarray(0, end), from)
    return timingSafeEqual(mac, packet.subarray(end)) ? undefined : 'forged'
  }

  /** The packet without its signature. */
  unsigned(packet: Uint8Array): Uint8Array {
    return isSigned(packet) ? packet.subarray(0, Math.max(0, packet.byteLength - SIGNATURE_BYTES)) : packet
  }

  #formally(packet: Uint8Array): Distrust | undefined {
    if (!isSigned(packet)) return this.areSet ? 'unsigned' : undefined
    if (!this.areSet) return 'signed'
    return this.#keys.has(packet[packet.byteLength - MAC_BYTES - 1] as number) ? undefined : 'unknown key'
  }

  #mac(id: number, covered: Uint8Array, from: Uint8Array): Uint8Array {
    return createHmac('sha256', this.#keys.get(id) as Uint8Array)
      .update(covered)
      .update(from)
      .digest()
  }
}
