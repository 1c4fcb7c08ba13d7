import { type LocalIdentity, ProtocolError } from '@cajun/core/adapter'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { Handshake } from '../src/handshake.ts'
import {
  commonVersion,
  decodeFarewell,
  decodeHello,
  decodeWelcome,
  encodeBye,
  encodeHello,
  encodeReject,
  encodeWelcome,
  type Hello,
  REASONS,
} from '../src/handshake-message.ts'
import { DATA, HANDSHAKE_LIMIT_BYTES, HEAD_BYTES, HELLO, REJECT, WELCOME } from '../src/wire-format.ts'

const a: LocalIdentity = { clusterId: 'c', nodeId: 'a', processId: 'a-1' }
const b: LocalIdentity = { clusterId: 'c', nodeId: 'b', processId: 'b-1' }

const nonce = new Uint8Array(32).fill(7)
const plain = { nonce: () => nonce, authenticator: undefined, requiresTls: false }
const proof = new Uint8Array(0)

function machine(local: LocalIdentity, serial = 1, maxFrameBytes = 1_000): Handshake {
  return new Handshake({ ...plain, local, maxFrameBytes, nextSerial: () => serial })
}

function body(message: Uint8Array): Uint8Array {
  return message.subarray(HEAD_BYTES)
}

const hello: Hello = {
  lowestVersion: 2,
  highestVersion: 2,
  serial: 7,
  maxFrameBytes: 1_000,
  from: a,
  expected: { nodeId: 'b', processId: 'b-1' },
  nonce,
}

describe('the handshake', () => {
  test('opens on both sides, and each knows the other', () => {
    const dialer = machine(a, 5)
    const acceptor = machine(b, 9)
    const step = acceptor.receive(HELLO, body(dialer.begin(b)))
    expect(step).toEqual({ kind: 'identified', remote: { peer: { nodeId: 'a', processId: 'a-1' }, serial: 5, version: 2 } })
    expect(acceptor.state).toBe('identified')
    const answer = dialer.receive(WELCOME, body(acceptor.admit()))
    expect(answer).toMatchObject({ kind: 'open', remote: { peer: { nodeId: 'b', processId: 'b-1' }, serial: 9, version: 2 } })
    expect([dialer.state, acceptor.state]).toEqual(['open', 'open'])
  })

  test('tells the dialer why it was refused', () => {
    const dialer = machine(a)
    const acceptor = machine(b)
    acceptor.receive(HELLO, body(dialer.begin(b)))
    const step = dialer.receive(REJECT, body(acceptor.refuse('tie', 'later')))
    expect(step).toEqual({ kind: 'rejected', farewell: { reason: 'tie', text: 'later' } })
    expect([dialer.state, acceptor.state]).toEqual(['closed', 'closed'])
  })

  test.each([
    ['another cluster', { from: { ...a, clusterId: 'other' } }, 'cluster'],
    ['another node', { expected: { nodeId: 'x', processId: 'b-1' } }, 'node'],
    ['another process', { expected: { nodeId: 'b', processId: 'b-0' } }, 'process'],
    ['its own name', { from: { ...b, processId: 'b-9' } }, 'node'],
    ['another frame limit', { maxFrameBytes: 999 }, 'limit'],
    ['later versions only', { lowestVersion: 3, highestVersion: 9 }, 'version'],
  ] as const)('refuses a hello with %s, and says so', (_, change, reason) => {
    const acceptor = machine(b)
    const step = acceptor.receive(HELLO, body(encodeHello({ ...hello, ...change })))
    if (step.kind !== 'refused') throw new Error(`it was ${step.kind}`)
    expect(decodeFarewell(body(step.reply)).reason).toBe(reason)
    expect(step.error).toBeInstanceOf(ProtocolError)
    expect(acceptor.state).toBe('closed')
    expect(() => acceptor.admit()).toThrow(TypeError)
  })

  test('does not tell a stranger what it is called', () => {
    const secret = { clusterId: 'secret-cluster', nodeId: 'secret-node', processId: 'secret-process' }
    for (const expected of [b, { nodeId: 'secret-node', processId: 'x' }]) {
      for (const from of [a, { ...a, clusterId: 'secret-cluster' }]) {
        const step = machine(secret).receive(HELLO, body(encodeHello({ ...hello, from, expected })))
        if (step.kind !== 'refused') throw new Error(`it was ${step.kind}`)
        expect(Buffer.from(step.reply).toString('latin1')).not.toContain('secret')
      }
    }
  })

  test('does not open to a welcome from somebody else, in an unknown version, or with another frame limit', () => {
    const good = { version: 2, serial: 1, maxFrameBytes: 1_000, from: { nodeId: 'b', processId: 'b-1' }, proof }
    for (const change of [{ from: { nodeId: 'b', processId: 'b-2' } }, { from: a }, { version: 3 }, { maxFrameBytes: 5 }]) {
      const dialer = machine(a)
      dialer.begin(b)
      expect(() => dialer.receive(WELCOME, body(encodeWelcome({ ...good, ...change })))).toThrow(ProtocolError)
      expect(dialer.state).toBe('closed')
    }
  })

  test('refuses every message out of turn, and is closed then', () => {
    const welcome = body(encodeWelcome({ version: 2, serial: 1, maxFrameBytes: 1_000, from: b, proof }))
    const greeting = body(encodeHello(hello))
    const refusal = body(encodeReject('tie', ''))
    const stages: [string, () => Handshake][] = [
      ['acceptor, idle', () => machine(b)],
      [
        'dialer, waiting',
        () => {
          const dialer = machine(a)
          dialer.begin(b)
          return dialer
        },
      ],
      [
        'acceptor, identified',
        () => {
          const acceptor = machine(b)
          acceptor.receive(HELLO, greeting)
          return acceptor
        },
      ],
      [
        'acceptor, open',
        () => {
          const acceptor = machine(b)
          acceptor.receive(HELLO, greeting)
          acceptor.admit()
          return acceptor
        },
      ],
    ]
    const allowed = new Set(['acceptor, idle 1', 'dialer, waiting 2', 'dialer, waiting 3'])
    for (const [stage, make] of stages) {
      for (const [type, message] of [
        [HELLO, greeting],
        [WELCOME, welcome],
        [REJECT, refusal],
        [DATA, Uint8Array.of(1)],
      ] as const) {
        if (allowed.has(`${stage} ${type}`)) continue
        const subject = make()
        expect(() => subject.receive(type, message), `${stage}, type ${type}`).toThrow(ProtocolError)
        expect(subject.state).toBe('closed')
      }
    }
  })
})

describe('the messages of the handshake', () => {
  const name = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 40 })
    .filter((text) => text.isWellFormed() && Buffer.byteLength(text) <= 255 && text.length > 0)
  const u32 = fc.nat({ max: 0xffff_ffff })

  test('hello and welcome come out as they went in, and fit what is read before the handshake is complete', () => {
    fc.assert(
      fc.property(
        fc.tuple(name, name, name, name, name),
        u32,
        u32,
        ([clusterId, nodeId, processId, node, process], serial, maxFrameBytes) => {
          const message: Hello = {
            lowestVersion: 2,
            highestVersion: 2,
            serial,
            maxFrameBytes,
            from: { clusterId, nodeId, processId },
            expected: { nodeId: node, processId: process },
            nonce,
          }
          const bytes = encodeHello(message)
          expect(decodeHello(body(bytes))).toEqual(message)
          expect(bytes.byteLength).toBeLessThanOrEqual(HANDSHAKE_LIMIT_BYTES)
          const welcome = { version: 2, serial, maxFrameBytes, from: { nodeId, processId }, proof: nonce }
          expect(decodeWelcome(body(encodeWelcome(welcome)))).toEqual(welcome)
        },
      ),
      { numRuns: 200 },
    )
  })

  test('the longest names fit', () => {
    const long = 'x'.repeat(255)
    const bytes = encodeHello({
      ...hello,
      from: { clusterId: long, nodeId: long, processId: long },
      expected: { nodeId: long, processId: long },
    })
    expect(bytes.byteLength).toBeLessThanOrEqual(HANDSHAKE_LIMIT_BYTES)
    expect(decodeHello(body(bytes)).expected.processId).toBe(long)
  })

  test('every shortened, lengthened or arbitrarily altered message is refused with ProtocolError or read, and never crashes', () => {
    const bytes = body(encodeHello(hello))
    for (let length = 0; length < bytes.byteLength; length++) expect(() => decodeHello(bytes.subarray(0, length))).toThrow(ProtocolError)
    expect(() => decodeHello(Buffer.concat([bytes, Uint8Array.of(0)]))).toThrow(ProtocolError)
    const originals = [
      bytes,
      body(encodeWelcome({ version: 2, serial: 1, maxFrameBytes: 1, from: b, proof })),
      body(encodeBye('stopped', 'bye')),
    ]
    fc.assert(
      fc.property(
        fc.constantFrom(...originals),
        fc.array(fc.tuple(fc.nat({ max: 60 }), fc.nat({ max: 255 })), { maxLength: 5 }),
        (original, changes) => {
          const altered = Uint8Array.from(original)
          for (const [at, value] of changes) if (at < altered.byteLength) altered[at] = value
          for (const decode of [decodeHello, decodeWelcome, decodeFarewell]) {
            try {
              decode(altered)
            } catch (error) {
              expect(error).toBeInstanceOf(ProtocolError)
            }
          }
        },
      ),
      { numRuns: 1_000 },
    )
  })

  test('a later version may append to hello, as long as it also speaks ours', () => {
    const bytes = body(encodeHello({ ...hello, highestVersion: 3 }))
    expect(decodeHello(Buffer.concat([bytes, Uint8Array.of(1, 2, 3)])).highestVersion).toBe(3)
  })

  test('the version is the highest that both speak', () => {
    const ours = { lowest: 2, highest: 4 }
    expect(commonVersion(ours, { lowest: 1, highest: 3 })).toBe(3)
    expect(commonVersion(ours, { lowest: 1, highest: 9 })).toBe(4)
    expect(commonVersion(ours, { lowest: 5, highest: 9 })).toBeUndefined()
    expect(commonVersion(ours, { lowest: 1, highest: 1 })).toBeUndefined()
  })

  test('the text of a farewell can not write lines into a log, nor be endless', () => {
    const { text } = decodeFarewell(body(encodeBye('stopped', 'one\ntwo\u001b[31m\u202etxt')))
    expect(text).toBe('one?two?[31m?txt')
    expect(decodeFarewell(body(encodeBye('stopped', 'é'.repeat(1_000)))).text.length).toBeLessThanOrEqual(255)
  })

  test('the numbers of reasons are a promise', () => {
    expect(REASONS).toEqual({
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
    })
  })

  test('a hello is these bytes: changing them splits running clusters', () => {
    const parts = ['0100003c', '43414a4e', '0202', '00000007', '000003e8', '0163', '0161', '03612d31', '0162', '03622d31', '07'.repeat(32)]
    expect(Buffer.from(encodeHello(hello)).toString('hex')).toBe(parts.join(''))
  })
})
