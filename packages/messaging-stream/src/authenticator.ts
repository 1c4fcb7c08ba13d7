// The shared secret: proofs that one has it, over everything that was said, and their check. What is said in which order is handshake.ts.
//
// Construction: HMAC-SHA256 over the whole transcript, with a key for each role derived by HKDF-SHA256 (RFC 5869), so that a proof of one
// role never serves as one of the other. Nonces of both sides are in the transcript, and the identities of both, as SIGMA (Krawczyk, 2003) shows to be
// necessary; so are the offered and the chosen versions, and the channel binding (RFC 9266), which ties the proof to one TLS channel.
//
//   key(role) = HKDF-SHA256(secret, no salt, "cajun transport 2 " role, 32)        role: "dialer" | "acceptor"
//   proof     = HMAC-SHA256(key(role), u32 length of each part, part, …)           parts: the messages so far as they are on the wire, the binding
//
// Gotcha: on the wire, both ends must compute the same.

import { createHmac, hkdfSync, timingSafeEqual } from 'node:crypto'

export interface SharedSecret {
  /** Names the secret on the wire: 1 to 255 bytes of UTF-8. Not secret itself. */
  readonly id: string
  /** At least 32 bytes. A string counts in UTF-8. */
  readonly secret: string | Uint8Array
}

export const PROOF_BYTES = 32
export const NONCE_BYTES = 32
export const MIN_SECRET_BYTES = 32

export type Role = 'dialer' | 'acceptor'

export class Authenticator {
  readonly #keys = new Map<string, Readonly<Record<Role, Uint8Array>>>()
  /** The secret to prove with when one dials. */
  readonly ownKeyId: string

  /** `secrets`: the first is used for dialing, all of them are accepted. At least one. */
  constructor(secrets: readonly SharedSecret[]) {
    this.ownKeyId = secrets[0]?.id ?? ''
    for (const { id, secret } of secrets) this.#keys.set(id, { dialer: roleKey(secret, 'dialer'), acceptor: roleKey(secret, 'acceptor') })
  }

  /** Undefined: no such key. */
  prove(role: Role, keyId: string, transcript: readonly Uint8Array[]): Uint8Array | undefined {
    const key = this.#keys.get(keyId)?.[role]
    if (key === undefined) return undefined
    const hmac = createHmac('sha256', key)
    const length = Buffer.alloc(4)
    for (const part of transcript) {
      length.writeUInt32BE(part.byteLength)
      hmac.update(length).update(part)
    }
    return hmac.digest()
  }

  /** In constant time. */
  verify(role: Role, keyId: string, transcript: readonly Uint8Array[], proof: Uint8Array): boolean {
    const right = this.prove(role, keyId, transcript)
    return right !== undefined && proof.byteLength === right.byteLength && timingSafeEqual(proof, right)
  }
}

function roleKey(secret: string | Uint8Array, role: Role): Uint8Array {
  const bytes = typeof secret === 'string' ? Buffer.from(secret, 'utf8') : secret
  return new Uint8Array(hkdfSync('sha256', bytes, new Uint8Array(0), `cajun transport 2 ${role}`, 32))
}
