// The handshake as a state machine without socket or clock: messages in, what is to be done out. It finds out who is at the other end;
// whether that one is welcome is `admission.ts`'s decision, made when the acceptor's machine says `identified`.
//
//   dialer                                          acceptor
//   idle ── begin ──> hello ─────────────────────>  idle
//   waiting                                           │ identified
//     │                                               ├─ admit ──> welcome, open
//     ├─ <──────────────── welcome ── open            └─ refuse ─> reject, closed
//     └─ <──────────────── reject ─── closed
//
// Authentication goes between hello and `identified`: the acceptor answers hello with a challenge, the dialer proves itself first, and
// nothing of `identified` happens before. Admission ends older connections, so it must never act on a name that was only claimed.

import { type LocalIdentity, type PeerId, ProtocolError } from '@cajun/core/adapter'
import {
  commonVersion,
  decodeFarewell,
  decodeHello,
  decodeWelcome,
  encodeHello,
  encodeReject,
  encodeWelcome,
  type Farewell,
  type Hello,
  type Reason,
} from './handshake-message.ts'
import {
  type BodyLimits,
  bodyLimits,
  HANDSHAKE_LIMIT_BYTES,
  HEAD_BYTES,
  HELLO,
  HIGHEST_VERSION,
  LOWEST_VERSION,
  REJECT,
  WELCOME,
} from './wire-format.ts'

export interface HandshakeIdentity {
  readonly local: LocalIdentity
  readonly maxFrameBytes: number
  /** Counts the hellos and welcomes of this process: of two connections between the same processes, the one with the higher serial is the later. */
  readonly nextSerial: () => number
}

export interface Remote {
  readonly peer: PeerId
  readonly serial: number
  readonly version: number
}

export type HandshakeStep =
  /** Acceptor: it is known who asks. Answer with `admit` or `refuse`. */
  | { readonly kind: 'identified'; readonly remote: Remote }
  /** Acceptor: who asks can't be talked to in any case. Send `reply`, then close. */
  | { readonly kind: 'refused'; readonly reply: Uint8Array; readonly error: ProtocolError }
  /** Dialer: open. */
  | { readonly kind: 'open'; readonly remote: Remote }
  /** Dialer: the other side won't. */
  | { readonly kind: 'rejected'; readonly farewell: Farewell }

type State =
  | { readonly at: 'idle' }
  | { readonly at: 'waiting'; readonly expected: PeerId }
  | { readonly at: 'identified'; readonly version: number }
  | { readonly at: 'open' }
  | { readonly at: 'closed' }

const body = HANDSHAKE_LIMIT_BYTES - HEAD_BYTES
export const acceptorLimits: BodyLimits = bodyLimits([[HELLO, body]])
export const dialerLimits: BodyLimits = bodyLimits([
  [WELCOME, body],
  [REJECT, body],
])

export class Handshake {
  readonly #identity: HandshakeIdentity
  #state: State = { at: 'idle' }

  constructor(identity: HandshakeIdentity) {
    this.#identity = identity
  }

  get state(): State['at'] {
    return this.#state.at
  }

  /** Dialer: returns the hello. */
  begin(expected: PeerId): Uint8Array {
    if (this.#state.at !== 'idle') throw new TypeError(`a handshake begins once; it is ${this.#state.at}`)
    this.#state = { at: 'waiting', expected }
    const { local, maxFrameBytes, nextSerial } = this.#identity
    return encodeHello({
      lowestVersion: LOWEST_VERSION,
      highestVersion: HIGHEST_VERSION,
      serial: nextSerial(),
      maxFrameBytes,
      from: local,
      expected,
    })
  }

  /** Throws {@link ProtocolError} for whatever does not belong here; the machine is closed then. */
  receive(type: number, message: Uint8Array): HandshakeStep {
    const state = this.#state
    this.#state = { at: 'closed' }
    if (state.at === 'idle' && type === HELLO) return this.#hello(decodeHello(message))
    if (state.at === 'waiting' && type === WELCOME) return this.#welcome(state.expected, message)
    if (state.at === 'waiting' && type === REJECT) return { kind: 'rejected', farewell: decodeFarewell(message) }
    throw new ProtocolError(`message of type 0x0${type.toString(16)} in a handshake that is ${state.at}`)
  }

  /** Acceptor: returns the welcome. */
  admit(): Uint8Array {
    if (this.#state.at !== 'identified') throw new TypeError(`nobody to admit: the handshake is ${this.#state.at}`)
    const { version } = this.#state
    this.#state = { at: 'open' }
    const { local, maxFrameBytes, nextSerial } = this.#identity
    return encodeWelcome({ version, serial: nextSerial(), maxFrameBytes, from: local })
  }

  /** Acceptor: returns the reject. */
  refuse(reason: Reason, text: string): Uint8Array {
    if (this.#state.at !== 'identified') throw new TypeError(`nobody to refuse: the handshake is ${this.#state.at}`)
    this.#state = { at: 'closed' }
    return encodeReject(reason, text)
  }

  #hello(hello: Hello): HandshakeStep {
    const { local, maxFrameBytes } = this.#identity
    const version = commonVersion(hello.lowestVersion, hello.highestVersion)
    if (version === undefined) {
      return refusal(
        'version',
        `versions ${LOWEST_VERSION} to ${HIGHEST_VERSION} are spoken here, not ${hello.lowestVersion} to ${hello.highestVersion}`,
      )
    }
    // What this process is called is not told to one who does not know it.
    if (hello.from.clusterId !== local.clusterId) return refusal('cluster', 'this is another cluster')
    if (hello.expected.nodeId !== local.nodeId) return refusal('node', 'this is another node')
    if (hello.expected.processId !== local.processId) return refusal('process', 'this is another process of the node')
    if (hello.from.nodeId === local.nodeId) return refusal('node', 'a node does not connect to itself')
    if (hello.maxFrameBytes !== maxFrameBytes) {
      return refusal('limit', `option maxFrameBytes is ${maxFrameBytes} here and ${hello.maxFrameBytes} there; it must be the same`)
    }
    this.#state = { at: 'identified', version }
    const peer = { nodeId: hello.from.nodeId, processId: hello.from.processId }
    return { kind: 'identified', remote: { peer, serial: hello.serial, version } }
  }

  #welcome(expected: PeerId, message: Uint8Array): HandshakeStep {
    const welcome = decodeWelcome(message)
    const { nodeId, processId } = welcome.from
    if (nodeId !== expected.nodeId || processId !== expected.processId) {
      throw new ProtocolError(
        `welcome from process '${processId}' of node '${nodeId}' instead of '${expected.processId}' of '${expected.nodeId}'`,
      )
    }
    if (commonVersion(welcome.version, welcome.version) === undefined) {
      throw new ProtocolError(`welcome in version ${welcome.version}, which is not spoken here`)
    }
    if (welcome.maxFrameBytes !== this.#identity.maxFrameBytes) {
      throw new ProtocolError(`welcome with a frame limit of ${welcome.maxFrameBytes} bytes; here it is ${this.#identity.maxFrameBytes}`)
    }
    this.#state = { at: 'open' }
    return { kind: 'open', remote: { peer: expected, serial: welcome.serial, version: welcome.version } }
  }
}

function refusal(reason: Reason, text: string): HandshakeStep {
  return { kind: 'refused', reply: encodeReject(reason, text), error: new ProtocolError(`a connection was refused: ${text}`) }
}
