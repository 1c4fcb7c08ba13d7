// What an attacker on the network may try against the handshake, without a network: each message goes through his hands.

import { createHmac, hkdfSync } from 'node:crypto'
import { type LocalIdentity, ProtocolError } from '@cajun/core/adapter'
import { describe, expect, test } from 'vitest'
import { Authenticator, type SharedSecret } from '../src/authenticator.ts'
import { type ChannelSecurity, nodeUri, urisOf } from '../src/channel-security.ts'
import { Handshake, type HandshakeIdentity, type HandshakeStep } from '../src/handshake.ts'
import {
  decodeFarewell,
  decodeHello,
  decodeProof,
  decodeWelcome,
  encodeHello,
  encodeProof,
  encodeWelcome,
} from '../src/handshake-message.ts'
import { CHALLENGE, DATA, HANDSHAKE_LIMIT_BYTES, HEAD_BYTES, HELLO, PROOF, REJECT, WELCOME } from '../src/wire-format.ts'

const a: LocalIdentity = { clusterId: 'c', nodeId: 'a', processId: 'a-1' }
const b: LocalIdentity = { clusterId: 'c', nodeId: 'b', processId: 'b-1' }
const k1: SharedSecret = { id: 'k1', secret: 'the first secret of this cluster' }
const k2: SharedSecret = { id: 'k2', secret: new Uint8Array(32).fill(9) }

let nonces = 0

interface Side extends Partial<HandshakeIdentity> {
  readonly secrets?: readonly SharedSecret[]
  readonly security?: ChannelSecurity
}

function machine(local: LocalIdentity, { secrets = [k1], security, ...identity }: Side = {}): Handshake {
  return new Handshake(
    {
      local,
      maxFrameBytes: 1_000,
      nextSerial: () => 1,
      nonce: () => new Uint8Array(32).fill(++nonces),
      authenticator: secrets.length === 0 ? undefined : new Authenticator(secrets),
      requiresTls: security !== undefined,
      ...identity,
    },
    security,
  )
}

function body(message: Uint8Array): Uint8Array {
  return message.subarray(HEAD_BYTES)
}

function pass(to: Handshake, message: Uint8Array): HandshakeStep {
  return to.receive(message[0] as number, body(message))
}

function replyOf(step: HandshakeStep): Uint8Array {
  if (step.kind === 'reply') return step.message
  throw new Error(`${step.kind} instead of a reply`)
}

function reasonOf(step: HandshakeStep): string | undefined {
  if (step.kind !== 'refused') throw new Error(`${step.kind} instead of a refusal`)
  return decodeFarewell(body(step.reply)).reason
}

interface Talk {
  readonly hello: Uint8Array
  readonly challenge: Uint8Array
  readonly proof: Uint8Array
  readonly welcome: Uint8Array
}

/** A whole handshake; returns what an eavesdropper has. `tamper` may change what the dialer says first. */
function talk(dialer: Handshake, acceptor: Handshake): Talk {
  const hello = dialer.begin(b)
  const challenge = replyOf(pass(acceptor, hello))
  const proof = replyOf(pass(dialer, challenge))
  expect(pass(acceptor, proof).kind).toBe('identified')
  const welcome = acceptor.admit()
  expect(pass(dialer, welcome).kind).toBe('open')
  return { hello, challenge, proof, welcome }
}

describe('a handshake with a shared secret', () => {
  test('opens on both sides', () => {
    const [dialer, acceptor] = [machine(a), machine(b)]
    talk(dialer, acceptor)
    expect([dialer.state, acceptor.state]).toEqual(['open', 'open'])
  })

  test('has proofs that anybody can compute from the description alone', () => {
    const security = { peerUris: [nodeUri('c', 'b')], binding: new Uint8Array(32).fill(5) }
    const { hello, challenge, proof, welcome } = talk(
      machine(a, { security }),
      machine(b, { security: { ...security, peerUris: [nodeUri('c', 'a')] } }),
    )
    const expected = (role: string, ...parts: Uint8Array[]): string => {
      const key = new Uint8Array(hkdfSync('sha256', 'the first secret of this cluster', '', `cajun transport 2 ${role}`, 32))
      const bytes = parts.flatMap((part) => [Buffer.from([0, 0, part.byteLength >> 8, part.byteLength & 255]), part])
      return createHmac('sha256', key).update(Buffer.concat(bytes)).digest('hex')
    }
    const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')
    expect(hex(decodeProof(body(proof)).proof)).toBe(expected('dialer', hello, challenge, security.binding))
    const { proof: own, ...rest } = decodeWelcome(body(welcome))
    expect(hex(own)).toBe(
      expected('acceptor', hello, challenge, proof, encodeWelcome({ ...rest, proof: new Uint8Array(0) }), security.binding),
    )
  })

  test('the dialer proves itself first: who asks gets a nonce and nothing else', () => {
    const acceptor = machine(b)
    const challenge = replyOf(pass(acceptor, machine(a).begin(b)))
    expect([challenge[0], challenge.byteLength]).toEqual([CHALLENGE, HEAD_BYTES + 33])
    const step = pass(acceptor, encodeProof({ keyId: 'k1', proof: new Uint8Array(32) }))
    expect(reasonOf(step)).toBe('secret')
    expect(acceptor.state).toBe('closed')
  })

  test.each([
    ['another secret', [{ ...k1, secret: 'x'.repeat(32) }]],
    ['another key id', [{ ...k1, id: 'k9' }]],
  ])('does not open with %s', (_, secrets) => {
    const [dialer, acceptor] = [machine(a, { secrets }), machine(b)]
    const proof = replyOf(pass(dialer, replyOf(pass(acceptor, dialer.begin(b)))))
    expect(reasonOf(pass(acceptor, proof))).toBe('secret')
  })

  test('does not open to one who only pretends to check', () => {
    const [dialer, acceptor] = [machine(a), machine(b, { secrets: [{ ...k1, secret: 'x'.repeat(32) }] })]
    const { challenge } = { challenge: replyOf(pass(acceptor, dialer.begin(b))) }
    pass(dialer, challenge)
    for (const proof of [new Uint8Array(32), new Uint8Array(0)]) {
      const welcome = encodeWelcome({ version: 2, serial: 1, maxFrameBytes: 1_000, from: b, proof })
      expect(() => pass(dialer, welcome)).toThrow(ProtocolError)
      expect(dialer.state).toBe('closed')
    }
  })

  test('is exchanged while nodes run: appended, then first, then alone', () => {
    const stages = [[k1], [k1, k2], [k2, k1], [k2]]
    for (let stage = 0; stage < stages.length; stage++) {
      for (const other of [stage, stage + 1]) {
        const [one, two] = [stages[stage], stages[other] ?? stages[stage]] as [SharedSecret[], SharedSecret[]]
        talk(machine(a, { secrets: one }), machine(b, { secrets: two }))
        talk(machine(a, { secrets: two }), machine(b, { secrets: one }))
      }
    }
  })
})

describe('an attacker', () => {
  test('who replays a recorded dialer is refused', () => {
    const { hello, proof } = talk(machine(a), machine(b))
    const acceptor = machine(b)
    replyOf(pass(acceptor, hello))
    expect(reasonOf(pass(acceptor, proof))).toBe('secret')
  })

  test('who replays a recorded acceptor is refused', () => {
    const { challenge, welcome } = talk(machine(a), machine(b))
    const dialer = machine(a)
    dialer.begin(b)
    replyOf(pass(dialer, challenge))
    expect(() => pass(dialer, welcome)).toThrow('wrong proof')
  })

  test('who reflects what the dialer proved is refused', () => {
    const [dialer, acceptor] = [machine(a), machine(b)]
    const proof = replyOf(pass(dialer, replyOf(pass(acceptor, dialer.begin(b)))))
    const welcome = encodeWelcome({ version: 2, serial: 1, maxFrameBytes: 1_000, from: b, proof: decodeProof(body(proof)).proof })
    expect(() => pass(dialer, welcome)).toThrow('wrong proof')
  })

  test('can not use the proof of one role as one of the other', () => {
    const authenticator = new Authenticator([k1])
    const said = [Uint8Array.of(1, 2, 3)]
    const proof = authenticator.prove('dialer', 'k1', said) as Uint8Array
    expect(authenticator.verify('dialer', 'k1', said, proof)).toBe(true)
    expect(authenticator.verify('acceptor', 'k1', said, proof)).toBe(false)
  })

  test('can not move bytes from one part of what was said to the next', () => {
    const authenticator = new Authenticator([k1])
    const proof = authenticator.prove('dialer', 'k1', [Uint8Array.of(1, 2), Uint8Array.of(3)]) as Uint8Array
    expect(authenticator.verify('dialer', 'k1', [Uint8Array.of(1), Uint8Array.of(2, 3)], proof)).toBe(false)
  })

  test('who talks a pair down to an older version is refused', () => {
    const versions = { lowest: 2, highest: 3 }
    const [dialer, acceptor] = [machine(a, { versions }), machine(b, { versions })]
    const hello = decodeHello(body(dialer.begin(b)))
    const lowered = encodeHello({ ...hello, highestVersion: 2 })
    const challenge = replyOf(pass(acceptor, lowered))
    expect(challenge[HEAD_BYTES]).toBe(2)
    expect(reasonOf(pass(acceptor, replyOf(pass(dialer, challenge))))).toBe('secret')
  })

  test('who changes the version that was chosen is refused', () => {
    const versions = { lowest: 2, highest: 3 }
    const [dialer, acceptor] = [machine(a, { versions }), machine(b, { versions })]
    const challenge = Uint8Array.from(replyOf(pass(acceptor, dialer.begin(b))))
    challenge[HEAD_BYTES] = 2
    expect(reasonOf(pass(acceptor, replyOf(pass(dialer, challenge))))).toBe('secret')
  })

  test('who takes the proofs out of the talk is refused by both', () => {
    const dialer = machine(a)
    const open = machine(b, { secrets: [] })
    expect(pass(open, dialer.begin(b)).kind).toBe('identified')
    expect(() => pass(dialer, open.admit())).toThrow('welcome without a proof')
    // A dialer without the secret is never identified by one who has it.
    const acceptor = machine(b)
    const careless = machine(a, { secrets: [] })
    expect(() => pass(careless, replyOf(pass(acceptor, careless.begin(b))))).toThrow('set option secrets')
  })

  test.each(['from', 'expected', 'serial', 'maxFrameBytes'] as const)('who changes %s of a hello is refused', (field) => {
    const [dialer, acceptor] = [machine(a), machine(b)]
    const hello = decodeHello(body(dialer.begin(b)))
    const changed = { from: { ...a, nodeId: 'x' }, expected: { ...b, processId: 'b-2' }, serial: 99, maxFrameBytes: 5 }[field]
    const challenge = replyOf(pass(acceptor, encodeHello({ ...hello, [field]: changed })))
    expect(reasonOf(pass(acceptor, replyOf(pass(dialer, challenge))))).toBe('secret')
  })

  test.each(['serial', 'maxFrameBytes'] as const)('who changes %s of a welcome is refused', (field) => {
    const [dialer, acceptor] = [machine(a), machine(b)]
    pass(acceptor, replyOf(pass(dialer, replyOf(pass(acceptor, dialer.begin(b))))))
    const welcome = decodeWelcome(body(acceptor.admit()))
    expect(() => pass(dialer, encodeWelcome({ ...welcome, [field]: 77 }))).toThrow('wrong proof')
  })

  test('who stands between two TLS channels is refused: each has another exporter value', () => {
    const secured = (nodeId: string, fill: number): Side => ({
      security: { peerUris: [nodeUri('c', nodeId)], binding: new Uint8Array(32).fill(fill) },
    })
    talk(machine(a, secured('b', 1)), machine(b, secured('a', 1)))
    const [dialer, acceptor] = [machine(a, secured('b', 1)), machine(b, secured('a', 2))]
    const proof = replyOf(pass(dialer, replyOf(pass(acceptor, dialer.begin(b)))))
    expect(reasonOf(pass(acceptor, proof))).toBe('secret')
  })

  test('who has no secret learns nothing from names, right or wrong', () => {
    const answers = [a, { ...a, clusterId: 'other' }, { ...a, nodeId: 'b' }].flatMap((from) =>
      [b, { nodeId: 'x', processId: 'b-1' }].map((expected) => {
        const acceptor = machine(b, { nonce: () => new Uint8Array(32) })
        const hello = { lowestVersion: 2, highestVersion: 2, serial: 1, maxFrameBytes: 1_000, from, expected, nonce: new Uint8Array(32) }
        const challenge = replyOf(pass(acceptor, encodeHello(hello)))
        const step = pass(acceptor, encodeProof({ keyId: 'k1', proof: new Uint8Array(32) }))
        return [challenge, step.kind === 'refused' ? step.reply : step]
      }),
    )
    for (const answer of answers) expect(answer).toEqual(answers[0])
  })

  test.each([
    ['another cluster', { ...a, clusterId: 'other' }, b, 'cluster'],
    ['another process', a, { nodeId: 'b', processId: 'b-0' }, 'process'],
  ] as const)('who has the secret and belongs to %s is refused', (_, local, wanted, reason) => {
    const [dialer, acceptor] = [machine(local), machine(b)]
    const proof = replyOf(pass(dialer, replyOf(pass(acceptor, dialer.begin(wanted)))))
    expect(reasonOf(pass(acceptor, proof))).toBe(reason)
  })

  test('may bring no more than 4 KiB before it is known, and nothing but the handshake', () => {
    const acceptor = machine(b)
    let bytes = 0
    const next = (types: number[]): void => {
      const allowed = [...acceptor.limits.entries()].filter(([, limit]) => limit > 0)
      expect(allowed.map(([type]) => type)).toEqual(types)
      for (const [, limit] of allowed) bytes += HEAD_BYTES + limit
    }
    next([HELLO])
    const dialer = machine(a)
    const challenge = replyOf(pass(acceptor, dialer.begin(b)))
    next([PROOF])
    const proof = replyOf(pass(dialer, challenge))
    pass(acceptor, proof)
    next([])
    expect(bytes).toBeLessThanOrEqual(HANDSHAKE_LIMIT_BYTES)
    expect(dialer.limits[DATA]).toBe(0)
    expect([CHALLENGE, WELCOME, REJECT].every((type) => (dialer.limits[type] as number) > 0)).toBe(true)
    const long = 'x'.repeat(255)
    const longest = encodeHello({
      ...decodeHello(body(machine(a).begin(b))),
      from: { clusterId: long, nodeId: long, processId: long },
      expected: { nodeId: long, processId: long },
    })
    expect(machine(b).limits[HELLO]).toBe(longest.byteLength - HEAD_BYTES)
  })
})

describe('a certificate', () => {
  const binding = new Uint8Array(32)
  const of = (...peerUris: string[]): Side => ({ security: { peerUris, binding } })

  test.each([
    ['of another node', [nodeUri('c', 'x')]],
    ['of another cluster', [nodeUri('d', 'a')]],
    ['of no node', []],
    ['of two nodes', [nodeUri('c', 'a'), nodeUri('c', 'x')]],
  ])('%s does not let a dialer in that says it is a, whatever it has proved', (_, uris) => {
    expect(reasonOf(pass(machine(b, of(...uris)), machine(a).begin(b)))).toBe('certificate')
  })

  test.each([
    ['of another node', [nodeUri('c', 'x')]],
    ['of another cluster', [nodeUri('d', 'b')]],
    ['of no node', []],
  ])('%s at the other end is told nothing by a dialer that wants b', (_, uris) => {
    const dialer = machine(a, of(...uris))
    expect(() => dialer.begin(b)).toThrow(/the certificate is of .*, not of 'spiffe:\/\/c\/node\/b'/)
    expect(dialer.state).toBe('closed')
  })

  test('must be there when TLS is asked for', () => {
    expect(reasonOf(pass(machine(b, { requiresTls: true }), machine(a).begin(b)))).toBe('certificate')
    expect(() => machine(a, { requiresTls: true }).begin(b)).toThrow('not encrypted')
  })

  test('names a node, whatever its id', () => {
    expect(nodeUri('prod', 'node-1')).toBe('spiffe://prod/node/node-1')
    expect(nodeUri('a/b', 'ü, x')).toBe('spiffe://a%2Fb/node/%C3%BC%2C%20x')
  })

  test.each([
    [undefined, []],
    ['DNS:a', []],
    ['URI:spiffe://c/node/a', ['spiffe://c/node/a']],
    ['DNS:x, URI:spiffe://c/node/a, IP Address:127.0.0.1', ['spiffe://c/node/a']],
    ['URI:spiffe://c/node/a, URI:spiffe://c/node/b', ['spiffe://c/node/a', 'spiffe://c/node/b']],
    // A host name that was made to look like a second entry: Node quotes it.
    ['DNS:"x, URI:spiffe://c/node/a"', []],
    ['DNS:"x\\", URI:spiffe://c/node/a"', []],
    ['URI:"spiffe://c/node/a, URI:y"', ['"spiffe://c/node/a, URI:y"']],
  ])('%s has the URIs %j', (text, uris) => {
    expect(urisOf(text)).toEqual(uris)
  })
})
