// Nearly right bytes on 250,000 connections, in pieces of any size: recordings of real ones, altered, played to an acceptor, to a dialer, and to
// either after its handshake. Nobody gets past the handshake with them, and nothing but an error of the protocol comes of them. What is in the frames is core's
// (core/test/fuzz). Among the process tests because it takes long.

import { type LocalIdentity, ProtocolError } from '@cajun/core/adapter'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { ManualRuntime } from '../../../core/test/support/manual-runtime.ts'
import { Mutator } from '../../../core/test/support/mutator.ts'
import { Authenticator } from '../../src/authenticator.ts'
import type { ByteChannel } from '../../src/byte-channel.ts'
import { Connection, type ConnectionContext, type ConnectionOwner, openLimits } from '../../src/connection.ts'
import { resolveConnectionOptions } from '../../src/connection-options.ts'
import { Doorway, type Entrant } from '../../src/doorway.ts'
import type { HandshakeIdentity } from '../../src/handshake.ts'
import { encodeBye } from '../../src/handshake-message.ts'
import { DATA, encodeMessage, PING, PONG } from '../../src/wire-format.ts'

const SEED = 20_261_125
const CONNECTIONS = 250_000
const MAX_FRAME_BYTES = 100_000

const a: LocalIdentity = { clusterId: 'c', nodeId: 'a', processId: 'a-1' }
const b: LocalIdentity = { clusterId: 'c', nodeId: 'b', processId: 'b-1' }
const runtime = new ManualRuntime()
const options = resolveConnectionOptions({ runtime, maxFrameBytes: MAX_FRAME_BYTES, maxPendingConnections: 4 })
const doorway = new Doorway(options)
const secret = new Authenticator([{ id: 'k1', secret: 'the secret that the attacker lacks' }])

/** What is written goes to `said`. */
class Tape implements ByteChannel {
  readonly said: Uint8Array[] = []

  attach(): void {}

  write(parts: readonly Uint8Array[], written: () => void): void {
    this.said.push(Buffer.concat(parts))
    written()
  }

  end(): void {}

  destroy(): void {}
}

class Watcher implements ConnectionOwner {
  identified = 0
  opened = 0
  frames = 0
  readonly wrong: unknown[] = []
  admits = true

  onIdentified(connection: Connection, remote: Parameters<ConnectionOwner['onIdentified']>[1]): void {
    this.identified++
    if (this.admits) connection.admit(remote)
  }

  onOpen(): void {
    this.opened++
  }

  onRejected(): void {}

  onFrame(_: Connection, frame: Uint8Array): void {
    this.frames++
    if (frame.byteLength === 0 || frame.byteLength > MAX_FRAME_BYTES) this.wrong.push(`a frame of ${frame.byteLength} bytes`)
  }

  onPong(): void {}

  onDrain(): void {}

  onClosed(_: Connection, reason: Error): void {
    const isFine = reason instanceof ProtocolError || (reason as { code?: string }).code === 'TRANSPORT'
    if (!isFine) this.wrong.push(reason)
  }
}

interface End {
  readonly connection: Connection
  readonly tape: Tape
  readonly watcher: Watcher
  readonly entrant: Entrant | undefined
}

let serial = 0
let nonce = 0

function end(local: LocalIdentity, dialed: LocalIdentity | undefined, authenticator: Authenticator | undefined): End {
  const tape = new Tape()
  const watcher = new Watcher()
  const identity: HandshakeIdentity = {
    local,
    maxFrameBytes: MAX_FRAME_BYTES,
    nextSerial: () => ++serial,
    nonce: () => {
      const bytes = new Uint8Array(32)
      new DataView(bytes.buffer).setUint32(0, ++nonce)
      return bytes
    },
    authenticator,
    requiresTls: false,
  }
  const context: ConnectionContext = { options, identity, owner: watcher, openLimits: openLimits(MAX_FRAME_BYTES) }
  const entrant = dialed === undefined ? doorway.enter('stranger', () => {}) : undefined
  if (dialed === undefined && entrant === undefined) throw new Error('somebody did not leave the doorway')
  const connection = entrant === undefined ? Connection.dialed(context, tape, dialed ?? local) : Connection.accepted(context, tape, entrant)
  if (dialed !== undefined) connection.onOpen()
  return { connection, tape, watcher, entrant }
}

/** Both ends, and what each said in the handshake. */
function recorded(authenticator: Authenticator | undefined): { dialer: End; acceptor: End; asked: Buffer; answered: Buffer } {
  const [dialer, acceptor] = [end(a, b, authenticator), end(b, undefined, authenticator)]
  let [heard, told] = [0, 0]
  for (let round = 0; round < 4; round++) {
    runtime.flush()
    for (; heard < dialer.tape.said.length; heard++) acceptor.connection.onData(dialer.tape.said[heard] as Uint8Array)
    runtime.flush()
    for (; told < acceptor.tape.said.length; told++) dialer.connection.onData(acceptor.tape.said[told] as Uint8Array)
  }
  return { dialer, acceptor, asked: Buffer.concat(dialer.tape.said), answered: Buffer.concat(acceptor.tape.said) }
}

function gone({ connection, entrant }: End): void {
  connection.destroy()
  connection.onClose()
  entrant?.leave()
}

function play(mutator: Mutator, { connection }: End, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) {
    const to = at + 1 + mutator.below(mutator.below(4) === 0 ? 3 : bytes.length)
    connection.onData(bytes.subarray(at, to))
    at = to
  }
  runtime.flush()
}

const { stackTraceLimit } = Error

describe('bytes on a connection', () => {
  beforeAll(() => {
    Error.stackTraceLimit = 0
  })

  afterAll(() => {
    Error.stackTraceLimit = stackTraceLimit
  })

  test(`of ${CONNECTIONS.toLocaleString('en')} connections with altered recordings, none gets past the handshake, and none does harm`, () => {
    const mutator = new Mutator(SEED)
    const recordings = Array.from({ length: 8 }, () => recorded(secret))
    const plain = Array.from({ length: 8 }, () => recorded(undefined))
    for (const { dialer, acceptor } of [...recordings, ...plain]) {
      expect([dialer.watcher.opened, acceptor.watcher.identified]).toEqual([1, 1])
      gone(dialer)
      gone(acceptor)
    }
    const asked = [...recordings.map((recording) => recording.asked), ...plain.map((recording) => recording.asked)]
    const answered = [...recordings.map((recording) => recording.answered), ...plain.map((recording) => recording.answered)]
    const messages = [
      encodeMessage(DATA, new Uint8Array(50)),
      encodeMessage(DATA, new Uint8Array(3_000)),
      encodeMessage(PING, new Uint8Array(4)),
      encodeMessage(PONG, new Uint8Array(4)),
      encodeBye('stopped', 'bye'),
    ]
    const open = Buffer.concat([...messages, ...messages.slice(0, 3)])
    const corpus = [...asked, ...answered, open]
    let frames = 0
    for (let i = 0; i < CONNECTIONS; i++) {
      const kind = i % 4
      // Some play a recording as it was: a replay.
      const alter = (bytes: Buffer): Buffer => (mutator.below(20) === 0 ? bytes : mutator.mutate(bytes, corpus))
      let target: End
      if (kind < 2) {
        target = kind === 0 ? end(b, undefined, secret) : end(a, b, secret)
        play(mutator, target, alter(mutator.pick(kind === 0 ? asked : answered)))
        expect(target.watcher.identified + target.watcher.opened + target.watcher.frames).toBe(0)
      } else {
        // Past the handshake of a plain connection.
        target = kind === 2 ? end(b, undefined, undefined) : end(a, b, undefined)
        target.connection.onData((kind === 2 ? mutator.pick(plain).asked : mutator.pick(plain).answered) as Uint8Array)
        play(mutator, target, alter(open))
        expect(target.watcher.identified + target.watcher.opened).toBe(1)
        frames += target.watcher.frames
      }
      if (target.watcher.wrong.length > 0) throw new Error(`connection ${i}: ${target.watcher.wrong[0]}`)
      gone(target)
    }
    expect(frames).toBeGreaterThan(CONNECTIONS / 10)
    expect([runtime.pendingTimers, runtime.pendingTasks]).toEqual([0, 0])
  })
})
