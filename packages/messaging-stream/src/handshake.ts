// The handshake as a state machine without socket or clock: messages in, what is to be done out. It finds out who is at the other end, and
// has it proved; whether that one is welcome is `admission.ts`'s decision, made when the acceptor's machine says `identified`.
//
//   dialer                                          acceptor
//   idle ── begin ──> hello ─────────────────────>  idle
//   waiting                                           │ with a shared secret:
//     ├─ <──────────────── challenge ─────────────────┤
//     │  proof ────────────────────────────────────>  challenged
//   proved                                            │ identified
//     │                                               ├─ admit ──> welcome, with its own proof; open
//     ├─ <──────────────── welcome ── open            └─ refuse ─> reject, closed
//     └─ <──────────────── reject ─── closed
//
// With a shared secret the dialer proves itself first, so that nobody gets a proof out of a node by asking; and nothing that depends on
// names happens before: admission ends older connections, so it must never act on a name that was only claimed, and a stranger is told nothing.
// With TLS the other side's certificate must name, in this cluster, the very node that it says (acceptor) or that was wanted (dialer).

import { type LocalIdentity, type PeerId, ProtocolError } from '@cajun/core/adapter'
import { type Authenticator, NONCE_BYTES, PROOF_BYTES } from './authenticator.ts'
import { type ChannelSecurity, nodeUri } from './channel-security.ts'
import {
  commonVersion,
  decodeChallenge,
  decodeFarewell,
  decodeHello,
  decodeProof,
  decodeWelcome,
  encodeChallenge,
  encodeHello,
  encodeProof,
  encodeReject,
  encodeWelcome,
  type Farewell,
  type Hello,
  type Reason,
  type VersionRange,
} from './handshake-message.ts'
import {
  type BodyLimits,
  bodyLimits,
  CHALLENGE,
  encodeMessage,
  HELLO,
  HIGHEST_VERSION,
  LOWEST_VERSION,
  MAX_NAME_BYTES,
  PROOF,
  REJECT,
  WELCOME,
} from './wire-format.ts'

export interface HandshakeIdentity {
  readonly local: LocalIdentity
  readonly maxFrameBytes: number
  /** Counts the hellos and welcomes of this process: of two connections between the same processes, the one with the higher serial is the later. */
  readonly nextSerial: () => number
  readonly nonce: () => Uint8Array
  /** Undefined: without a shared secret, names are believed. */
  readonly authenticator: Authenticator | undefined
  /** Whether a channel without TLS is refused. */
  readonly requiresTls: boolean
  /** Default: what this release speaks. */
  readonly versions?: VersionRange
}

export interface Remote {
  readonly peer: PeerId
  readonly serial: number
  readonly version: number
}

export type HandshakeStep =
  /** Send it, and go on. */
  | { readonly kind: 'reply'; readonly message: Uint8Array }
  /** Acceptor: it is known who asks. Answer with `admit` or `refuse`. */
  | { readonly kind: 'identified'; readonly remote: Remote }
  /** Who is there can't be talked to. Send `reply`, then close. */
  | { readonly kind: 'refused'; readonly reply: Uint8Array; readonly error: ProtocolError }
  /** Dialer: open. */
  | { readonly kind: 'open'; readonly remote: Remote }
  /** Dialer: the other side won't. */
  | { readonly kind: 'rejected'; readonly farewell: Farewell }

/** What was said so far, as it was on the wire. */
type Transcript = readonly Uint8Array[]

type State =
  | { readonly at: 'idle' }
  | { readonly at: 'waiting'; readonly expected: PeerId; readonly said: Transcript }
  | { readonly at: 'proved'; readonly expected: PeerId; readonly said: Transcript; readonly version: number }
  | { readonly at: 'challenged'; readonly hello: Hello; readonly said: Transcript; readonly version: number }
  | { readonly at: 'identified'; readonly version: number; readonly proven: Proven | undefined }
  | { readonly at: 'open' }
  | { readonly at: 'closed' }

interface Proven {
  readonly keyId: string
  readonly said: Transcript
}

const THIS_RELEASE: VersionRange = { lowest: LOWEST_VERSION, highest: HIGHEST_VERSION }

// The largest that each can be. Each comes once at most, so what a stranger may bring is their sum: 1,620 bytes with their heads.
const NAME = 1 + MAX_NAME_BYTES
const HELLO_BYTES = 14 + 5 * NAME + NONCE_BYTES
const PROOF_MESSAGE_BYTES = NAME + PROOF_BYTES
const WELCOME_BYTES = 9 + 2 * NAME + 1 + PROOF_BYTES
const NOTHING: BodyLimits = bodyLimits([])
const FOR_ACCEPTOR: BodyLimits = bodyLimits([[HELLO, HELLO_BYTES]])
const FOR_CHALLENGED: BodyLimits = bodyLimits([[PROOF, PROOF_MESSAGE_BYTES]])
const FOR_DIALER: BodyLimits = bodyLimits([
  [CHALLENGE, 1 + NONCE_BYTES],
  [WELCOME, WELCOME_BYTES],
  [REJECT, 1 + NAME],
])

export class Handshake {
  readonly #identity: HandshakeIdentity
  readonly #security: ChannelSecurity | undefined
  readonly #versions: VersionRange
  #state: State = { at: 'idle' }

  /** `security`: what TLS says; undefined: the channel is plain. */
  constructor(identity: HandshakeIdentity, security?: ChannelSecurity) {
    this.#identity = identity
    this.#security = security
    this.#versions = identity.versions ?? THIS_RELEASE
  }

  get state(): State['at'] {
    return this.#state.at
  }

  /** What the other side may send now, before the connection is open. */
  get limits(): BodyLimits {
    const { at } = this.#state
    if (at === 'idle') return FOR_ACCEPTOR
    if (at === 'challenged') return FOR_CHALLENGED
    return at === 'waiting' || at === 'proved' ? FOR_DIALER : NOTHING
  }

  /** Dialer: returns the hello. Throws {@link ProtocolError} when the certificate at the other end is not that of `expected`. */
  begin(expected: PeerId): Uint8Array {
    if (this.#state.at !== 'idle') throw new TypeError(`a handshake begins once; it is ${this.#state.at}`)
    const { local, maxFrameBytes, nextSerial, nonce } = this.#identity
    const problem = this.#certificateProblem(expected.nodeId)
    if (problem !== undefined) {
      this.#state = { at: 'closed' }
      throw new ProtocolError(problem)
    }
    const hello = encodeHello({
      lowestVersion: this.#versions.lowest,
      highestVersion: this.#versions.highest,
      serial: nextSerial(),
      maxFrameBytes,
      from: local,
      expected,
      nonce: nonce(),
    })
    this.#state = { at: 'waiting', expected, said: [hello] }
    return hello
  }

  /** Throws {@link ProtocolError} for whatever does not belong here; the machine is closed then. */
  receive(type: number, message: Uint8Array): HandshakeStep {
    const state = this.#state
    this.#state = { at: 'closed' }
    switch (state.at) {
      case 'idle':
        if (type === HELLO) return this.#hello(decodeHello(message), encodeMessage(type, message))
        break
      case 'challenged':
        if (type === PROOF) return this.#proof(state, message)
        break
      case 'waiting':
        if (type === CHALLENGE) return this.#challenge(state, message)
        if (type === WELCOME) return this.#unprovenWelcome(state.expected, message)
        if (type === REJECT) return { kind: 'rejected', farewell: decodeFarewell(message) }
        break
      case 'proved':
        if (type === WELCOME) return this.#provenWelcome(state, message)
        if (type === REJECT) return { kind: 'rejected', farewell: decodeFarewell(message) }
    }
    throw new ProtocolError(`message of type 0x0${type.toString(16)} in a handshake that is ${state.at}`)
  }

  /** Acceptor: returns the welcome. */
  admit(): Uint8Array {
    if (this.#state.at !== 'identified') throw new TypeError(`nobody to admit: the handshake is ${this.#state.at}`)
    const { version, proven } = this.#state
    this.#state = { at: 'open' }
    const { local, maxFrameBytes, nextSerial, authenticator } = this.#identity
    const welcome = { version, serial: nextSerial(), maxFrameBytes, from: local }
    const proof = proven && authenticator?.prove('acceptor', proven.keyId, this.#transcript(proven.said, unproven(welcome)))
    return encodeWelcome({ ...welcome, proof: proof ?? new Uint8Array(0) })
  }

  /** Acceptor: returns the reject. */
  refuse(reason: Reason, text: string): Uint8Array {
    if (this.#state.at !== 'identified') throw new TypeError(`nobody to refuse: the handshake is ${this.#state.at}`)
    this.#state = { at: 'closed' }
    return encodeReject(reason, text)
  }

  #hello(hello: Hello, bytes: Uint8Array): HandshakeStep {
    const theirs = { lowest: hello.lowestVersion, highest: hello.highestVersion }
    const version = commonVersion(this.#versions, theirs)
    if (version === undefined) {
      const { lowest, highest } = this.#versions
      return refusal('version', `versions ${lowest} to ${highest} are spoken here, not ${theirs.lowest} to ${theirs.highest}`)
    }
    const problem = this.#certificateProblem(hello.from.nodeId)
    if (problem !== undefined) return refusal('certificate', problem)
    if (this.#identity.authenticator === undefined) return this.#identify(hello, version, undefined)
    const challenge = encodeChallenge({ version, nonce: this.#identity.nonce() })
    this.#state = { at: 'challenged', hello, said: [bytes, challenge], version }
    return { kind: 'reply', message: challenge }
  }

  #proof({ hello, said, version }: Extract<State, { at: 'challenged' }>, message: Uint8Array): HandshakeStep {
    const { keyId, proof } = decodeProof(message)
    if (this.#identity.authenticator?.verify('dialer', keyId, this.#transcript(said), proof) !== true) {
      return refusal('secret', `the shared secret was not proved (key id '${printable(keyId)}')`)
    }
    return this.#identify(hello, version, { keyId, said: [...said, encodeMessage(PROOF, message)] })
  }

  #identify(hello: Hello, version: number, proven: Proven | undefined): HandshakeStep {
    const { local, maxFrameBytes } = this.#identity
    // What this process is called is not told to one who does not know it.
    if (hello.from.clusterId !== local.clusterId) return refusal('cluster', 'this is another cluster')
    if (hello.expected.nodeId !== local.nodeId) return refusal('node', 'this is another node')
    if (hello.expected.processId !== local.processId) return refusal('process', 'this is another process of the node')
    if (hello.from.nodeId === local.nodeId) return refusal('node', 'a node does not connect to itself')
    if (hello.maxFrameBytes !== maxFrameBytes) {
      return refusal('limit', `option maxFrameBytes is ${maxFrameBytes} here and ${hello.maxFrameBytes} there; it must be the same`)
    }
    this.#state = { at: 'identified', version, proven }
    const peer = { nodeId: hello.from.nodeId, processId: hello.from.processId }
    return { kind: 'identified', remote: { peer, serial: hello.serial, version } }
  }

  #challenge({ expected, said }: Extract<State, { at: 'waiting' }>, message: Uint8Array): HandshakeStep {
    const { version } = decodeChallenge(message)
    const { authenticator } = this.#identity
    if (authenticator === undefined) throw new ProtocolError('the other side asks for a proof of a shared secret; set option secrets')
    this.#checkVersion('challenge', version)
    const heard = [...said, encodeMessage(CHALLENGE, message)]
    const keyId = authenticator.ownKeyId
    const proof = authenticator.prove('dialer', keyId, this.#transcript(heard)) ?? new Uint8Array(PROOF_BYTES)
    const reply = encodeProof({ keyId, proof })
    this.#state = { at: 'proved', expected, said: [...heard, reply], version }
    return { kind: 'reply', message: reply }
  }

  #unprovenWelcome(expected: PeerId, message: Uint8Array): HandshakeStep {
    if (this.#identity.authenticator !== undefined) {
      throw new ProtocolError('welcome without a proof of the shared secret: the other side has no option secrets, or is not a peer')
    }
    const welcome = decodeWelcome(message)
    return this.#welcome(expected, welcome)
  }

  #provenWelcome({ expected, said, version }: Extract<State, { at: 'proved' }>, message: Uint8Array): HandshakeStep {
    const welcome = decodeWelcome(message)
    const { authenticator } = this.#identity
    if (authenticator?.verify('acceptor', authenticator.ownKeyId, this.#transcript(said, unproven(welcome)), welcome.proof) !== true) {
      throw new ProtocolError('welcome with a wrong proof of the shared secret: this is not a peer')
    }
    if (welcome.version !== version) throw new ProtocolError(`welcome in version ${welcome.version} after a challenge in ${version}`)
    return this.#welcome(expected, welcome)
  }

  #welcome(expected: PeerId, welcome: ReturnType<typeof decodeWelcome>): HandshakeStep {
    const { nodeId, processId } = welcome.from
    if (nodeId !== expected.nodeId || processId !== expected.processId) {
      throw new ProtocolError(
        `welcome from process '${processId}' of node '${nodeId}' instead of '${expected.processId}' of '${expected.nodeId}'`,
      )
    }
    this.#checkVersion('welcome', welcome.version)
    if (welcome.maxFrameBytes !== this.#identity.maxFrameBytes) {
      throw new ProtocolError(`welcome with a frame limit of ${welcome.maxFrameBytes} bytes; here it is ${this.#identity.maxFrameBytes}`)
    }
    this.#state = { at: 'open' }
    return { kind: 'open', remote: { peer: expected, serial: welcome.serial, version: welcome.version } }
  }

  #checkVersion(what: string, version: number): void {
    if (version < this.#versions.lowest || version > this.#versions.highest) {
      throw new ProtocolError(`${what} in version ${version}, which is not spoken here`)
    }
  }

  /** Everything that was said, and which channel it was said on. */
  #transcript(said: Transcript, ...more: readonly Uint8Array[]): Transcript {
    return [...said, ...more, this.#security?.binding ?? new Uint8Array(0)]
  }

  /** Undefined: the other side's certificate is that of this node of this cluster, or there need not be one. */
  #certificateProblem(nodeId: string): string | undefined {
    const { local, requiresTls } = this.#identity
    if (this.#security === undefined) return requiresTls ? 'the connection is not encrypted; option tls is set here' : undefined
    const [uri, ...others] = this.#security.peerUris
    if (uri === nodeUri(local.clusterId, nodeId) && others.length === 0) return undefined
    const found = this.#security.peerUris.map((name) => `'${printable(name)}'`).join(', ')
    return `the certificate is of ${found || 'no node'}, not of '${nodeUri(local.clusterId, nodeId)}'`
  }
}

/** The part of a welcome that its proof is about. */
function unproven(welcome: Omit<ReturnType<typeof decodeWelcome>, 'proof'>): Uint8Array {
  return encodeWelcome({ ...welcome, proof: new Uint8Array(0) })
}

/** For logs: a stranger must not write lines of its own into them, nor long ones. */
function printable(text: string): string {
  return text.slice(0, 200).replaceAll(/[^\p{L}\p{N}\p{P}\p{S} ]/gu, '?')
}

function refusal(reason: Reason, text: string): HandshakeStep {
  return { kind: 'refused', reply: encodeReject(reason, text), error: new ProtocolError(`a connection was refused: ${text}`) }
}
