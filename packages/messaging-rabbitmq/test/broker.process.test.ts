// What amqplib and RabbitMQ do that the transport works around, each against a real broker.

import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { Backend, reasonToSkip } from '@cajun/backends'
import type { MessagingHandler, PeerAddress } from '@cajun/core/adapter'
import { FaultProxy } from '@cajun/fault-proxy'
import { type ConfirmChannel, connect } from 'amqplib'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type RabbitMqMessagingOptions, RabbitMqMessagingSystem } from '../src/index.ts'
import { resolveRabbitMqOptions } from '../src/options.ts'
import { RabbitMqBroker } from '../src/rabbitmq-broker.ts'
import { Session, type SessionEvents } from '../src/session.ts'

const skip = await reasonToSkip('rabbitmq')

const quick = {
  heartbeatIntervalMs: 300,
  heartbeatTimeoutMs: 1_500,
  connectTimeoutMs: 2_000,
  closeTimeoutMs: 500,
  reconnect: { minDelayMs: 20, maxDelayMs: 150 },
} satisfies Partial<RabbitMqMessagingOptions>

async function until(ms: number, what: string, check: () => boolean): Promise<void> {
  for (const untilMs = Date.now() + ms; !check(); ) {
    if (Date.now() > untilMs) throw new Error(`${what}: not within ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

let names = 0

class Node implements AsyncDisposable {
  readonly system: RabbitMqMessagingSystem
  readonly events: string[] = []
  frames = 0
  peer: PeerAddress = { nodeId: '', processId: '', address: '' }

  constructor(options: RabbitMqMessagingOptions) {
    this.system = new RabbitMqMessagingSystem({ ...quick, ...options })
  }

  static async start(nodeId: string, options: RabbitMqMessagingOptions): Promise<Node> {
    const node = new Node(options)
    const handler: MessagingHandler = {
      onFrame: () => {
        node.frames++
      },
      onPeerUp: ({ nodeId }) => node.events.push(`up ${nodeId}`),
      onPeerDown: ({ nodeId }) => node.events.push(`down ${nodeId}`),
      onDrain: () => {},
      onError: (error) => node.events.push(`error ${error.message}`),
    }
    const identity = { clusterId: 'c', nodeId, processId: `p${++names}` }
    const { address } = await node.system.start(identity, handler)
    node.peer = { ...identity, address }
    return node
  }

  get inbox(): string {
    return this.peer.address.slice(0, this.peer.address.lastIndexOf('#'))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.system.stop()
  }
}

async function meet(a: Node, b: Node): Promise<void> {
  a.system.connect(b.peer)
  await until(5_000, 'both up', () => a.events.includes('up b') && b.events.includes('up a'))
}

/** What an operator could do. */
async function admin<T>(url: string, work: (channel: ConfirmChannel) => Promise<T>): Promise<T> {
  const model = await connect(url)
  model.on('error', () => {})
  const channel = await model.createConfirmChannel()
  channel.on('error', () => {})
  try {
    return await work(channel)
  } finally {
    await model.close().catch(() => {})
  }
}

async function exists(url: string, inbox: string): Promise<boolean> {
  return admin(url, (channel) => channel.checkQueue(inbox)).then(
    () => true,
    (error: { code?: number }) => {
      if (error.code === 404) return false
      throw error
    },
  )
}

const nothing: SessionEvents = { onMessage() {}, onEnd() {}, onBlocked() {}, onUnblocked() {} }

describe.skipIf(skip !== undefined)(skip ?? 'RabbitMQ', () => {
  let backend: Backend
  let url = ''
  beforeAll(async () => {
    backend = await Backend.start('rabbitmq')
    url = backend.url
  })
  afterAll(() => backend?.stop())

  describe('inboxes', () => {
    test('an inbox is a durable queue with these settings, and goes when its process stops', async () => {
      const node = await Node.start('a', { url, prefix: 'x', inboxExpiresMs: 60_000 })
      expect(node.inbox).toBe(`x/c/inbox/a/${node.peer.processId}`)
      const settings = {
        'x-queue-type': 'classic',
        'x-expires': 60_000,
        'x-max-length-bytes': 256 << 20,
        'x-overflow': 'reject-publish',
      }
      // Declared once more with anything else, the broker refuses.
      await admin(url, (channel) => channel.assertQueue(node.inbox, { durable: true, arguments: settings }))
      for (const other of [
        { durable: false, arguments: settings },
        { durable: true, arguments: { ...settings, 'x-expires': 1 } },
      ]) {
        await expect(admin(url, (channel) => channel.assertQueue(node.inbox, other))).rejects.toThrow('PRECONDITION_FAILED')
      }
      await node.system.stop()
      expect(await exists(url, node.inbox)).toBe(false)
    })

    test('that of a process that died expires', async () => {
      const proxy = await FaultProxy.listen({ target: new URL(url).host })
      await using node = await Node.start('a', { url: `amqp://${proxy.address}`, inboxExpiresMs: 1_000 })
      await proxy.close()
      expect(await exists(url, node.inbox)).toBe(true)
      await new Promise((resolve) => setTimeout(resolve, 2_500))
      expect(await exists(url, node.inbox)).toBe(false)
    })

    test('one that was deleted is made again, and peers come back', async () => {
      await using a = await Node.start('a', { url })
      await using b = await Node.start('b', { url })
      await meet(a, b)
      await admin(url, (channel) => channel.deleteQueue(b.inbox))
      await until(5_000, 'down and up', () => a.events.filter((event) => event === 'up b').length === 2)
      expect(await exists(url, b.inbox)).toBe(true)
    })

    test('one that an earlier connection of the process still holds is taken over at once', async () => {
      const options = resolveRabbitMqOptions({ url, ...quick })
      const inbox = `take-over-${++names}`
      let ended = ''
      const open = (events: SessionEvents): Promise<Session> =>
        Session.open(options, options.urls[0] as URL, inbox, events, new AbortController().signal)
      const first = await open({ ...nothing, onEnd: (reason) => (ended = reason.message) })
      const received: string[] = []
      const second = await open({ ...nothing, onMessage: (content) => received.push(Buffer.from(content).toString()) })
      await until(2_000, 'the end of the first', () => ended !== '')
      expect(ended).toMatch(/deleted/)
      await new Promise<void>((resolve, reject) => {
        second.publish(inbox, Buffer.from('hello'), (error) => (error ? reject(error) : resolve()))
      })
      await until(2_000, 'the message', () => received.length === 1)
      await second.close()
      first.destroy()
      second.destroy()
    })
  })

  describe('what is published', () => {
    const open = async (events: Partial<{ onDown(reason: Error): void }> = {}): Promise<RabbitMqBroker> => {
      const broker = new RabbitMqBroker(resolveRabbitMqOptions({ url, ...quick }))
      await broker.open(`publisher-${++names}`, { onPacket() {}, onUp() {}, onDown() {}, onError() {}, ...events })
      return broker
    }
    const publish = (broker: RabbitMqBroker, inbox: string): Promise<string> =>
      new Promise((resolve) => broker.publish(inbox, Buffer.from('x'), (error) => resolve(error?.message ?? 'taken')))

    test('to an inbox that is not there, it is an error, though the broker confirms it', async () => {
      const broker = await open()
      expect(await publish(broker, 'nobody')).toMatch(/no inbox nobody/)
      await broker.close()
    })

    test('a peer whose inbox is gone can not be connected to, and that is said, not waited for', async () => {
      await using a = await Node.start('a', { url })
      a.system.connect({ nodeId: 'b', processId: 'gone', address: a.peer.address.replace('/a/', '/gone/') })
      await until(1_000, 'the error', () => a.events.length > 0)
      expect(a.events[0]).toMatch(/can't connect to node 'b'.*no inbox/)
    })

    test('to an inbox that is full, it is an error', async () => {
      const inbox = `full-${++names}`
      await admin(url, (channel) =>
        channel.assertQueue(inbox, { durable: true, arguments: { 'x-max-length': 1, 'x-overflow': 'reject-publish', 'x-expires': 5_000 } }),
      )
      const broker = await open()
      const outcomes = [await publish(broker, inbox), await publish(broker, inbox), await publish(broker, inbox)]
      expect(outcomes.filter((outcome) => outcome === 'taken').length).toBeGreaterThan(0)
      expect(outcomes.at(-1)).toMatch(/did not take/)
      await broker.close()
    })

    test('each packet is settled once when the broker dies under them, and later ones are refused without an exception', async ({
      skip,
    }) => {
      if (!backend.controllable) skip('the server is from the environment')
      let down = 0
      const broker = await open({ onDown: () => down++ })
      const inbox = `dies-${++names}`
      await admin(url, (channel) => channel.assertQueue(inbox, { durable: true, arguments: { 'x-expires': 30_000 } }))
      const settled = new Array<number>(3_000).fill(0)
      let unknown = 0
      let killed: Promise<void> | undefined
      for (const i of settled.keys()) {
        broker.publish(inbox, Buffer.alloc(500), (error) => {
          settled[i] = (settled[i] as number) + 1
          if (error) unknown++
        })
        if (i === 1_500) killed = backend.kill()
        if (i % 100 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      await killed
      await until(5_000, 'all settled', () => settled.every((times) => times > 0))
      expect(settled.every((times) => times === 1)).toBe(true)
      expect(unknown).toBeGreaterThan(0)
      expect(down).toBe(1)
      expect(broker.isUp).toBe(false)
      expect(await publish(broker, inbox)).toMatch(/can not be reached/)
      await backend.restart()
      await until(5_000, 'up again', () => broker.isUp)
      await broker.close()
    })

    test('on a session that has ended, it is an error and no exception', async () => {
      const options = resolveRabbitMqOptions({ url, ...quick })
      const session = await Session.open(options, options.urls[0] as URL, `ended-${++names}`, nothing, new AbortController().signal)
      await session.close()
      const outcome = await new Promise<Error | undefined>((resolve) => session.publish('any', Buffer.from('x'), resolve))
      expect(outcome?.message).toMatch(/did not take/)
    })

    test('more than the broker sends ahead arrives, because what was handed over is acknowledged', async () => {
      await using a = await Node.start('a', { url, prefetch: 10 })
      await using b = await Node.start('b', { url, prefetch: 10 })
      await meet(a, b)
      for (let i = 0; i < 200; i++) {
        a.system.send('b', Uint8Array.of(1))
        await new Promise((resolve) => setImmediate(resolve))
      }
      await until(5_000, 'all frames', () => b.frames === 200)
    })

    test('while the broker takes nothing it waits, is bounded, and leaves afterwards', async () => {
      const proxy = await FaultProxy.listen({ target: new URL(url).host })
      await using a = await Node.start('a', { url: `amqp://${proxy.address}`, heartbeatTimeoutMs: 4_000 })
      await using b = await Node.start('b', { url, heartbeatTimeoutMs: 4_000 })
      await meet(a, b)
      proxy.inject('toClient', amqpFrame([0, 10, 0, 60, 10, ...Buffer.from('low on ram')]))
      await until(2_000, 'the news', () => a.events.some((event) => event.includes('low on ram')))
      expect(a.system.send('b', Uint8Array.of(1))).toBe(true)
      await new Promise((resolve) => setTimeout(resolve, 200))
      expect(b.frames).toBe(0)
      for (let i = 0; i < 100 && a.system.send('b', new Uint8Array(100_000)); i++);
      expect(a.system.bufferedBytes('b')).toBeLessThan((1 << 20) + 200_000)
      proxy.inject('toClient', amqpFrame([0, 10, 0, 61]))
      await until(2_000, 'the frames', () => b.frames > 10 && a.system.bufferedBytes('b') === 0)
      expect(a.events.filter((event) => event.startsWith('down'))).toEqual([])
      await a.system.stop()
      await proxy.close()
    })
  })

  describe('the connection', () => {
    test('a frozen broker is found although nobody is there to send to', async ({ skip }) => {
      if (!backend.controllable) skip('the server is from the environment')
      const broker = new RabbitMqBroker(resolveRabbitMqOptions({ url, ...quick }))
      let down = ''
      await broker.open(`lonely-${++names}`, { onPacket() {}, onUp() {}, onDown: (reason) => (down = reason.message), onError() {} })
      await backend.freeze()
      await until(5_000, 'the loss', () => down !== '')
      expect(down).toMatch(/Heartbeat timeout/)
      await backend.thaw()
      await until(5_000, 'up again', () => broker.isUp)
      await broker.close()
    })

    test('start is bounded when the broker does not answer, and says so', async () => {
      const proxy = await FaultProxy.listen({ target: new URL(url).host })
      proxy.hold()
      const sinceMs = Date.now()
      await expect(Node.start('a', { url: `amqp://${proxy.address}`, connectTimeoutMs: 500 })).rejects.toMatchObject({ code: 'TRANSPORT' })
      expect(Date.now() - sinceMs).toBeLessThan(2_000)
      await proxy.close()
    })

    test('the next URL is tried when one leads nowhere', async () => {
      await using a = await Node.start('a', { url: ['amqp://127.0.0.1:1', url] })
      await using b = await Node.start('b', { url })
      await meet(a, b)
    })

    test('a packet that leaves in several writes waits for no delayed acknowledgement', async () => {
      await using a = await Node.start('a', { url })
      await using b = await Node.start('b', { url })
      await meet(a, b)
      const tripsMs: number[] = []
      for (let i = 1; i <= 50; i++) {
        const sinceMs = performance.now()
        // From 2 KiB on amqplib writes head and content by themselves.
        a.system.send('b', new Uint8Array(3_000))
        await until(2_000, 'the frame', () => b.frames === i)
        tripsMs.push(performance.now() - sinceMs)
      }
      expect(tripsMs.sort((x, y) => x - y)[25]).toBeLessThan(25)
    })

    for (const state of ['answers', 'is frozen'] as const) {
      test(`a stopped system lets its process end when the broker ${state}`, async ({ skip }) => {
        if (!backend.controllable) skip('the server is from the environment')
        const program = `
          import { RabbitMqMessagingSystem } from '@cajun/messaging-rabbitmq'
          // Nothing that has a time-out of its own may hold the process up for long.
          const system = new RabbitMqMessagingSystem({ url: '${url}', heartbeatTimeoutMs: 60_000, connectTimeoutMs: 60_000, closeTimeoutMs: 300 })
          const handler = { onFrame() {}, onPeerUp() {}, onPeerDown() {}, onDrain() {} }
          await system.start({ clusterId: 'c', nodeId: 'leaves', processId: 'p' }, handler)
          console.log('started')
          await new Promise((resolve) => process.stdin.once('data', resolve))
          process.stdin.destroy()
          await system.stop()
          console.log('stopped')`
        const args = ['--conditions=@cajun/source', '--disable-warning=ExperimentalWarning', '--input-type=module', '--eval', program]
        const child = spawn(process.execPath, args, { cwd: import.meta.dirname, stdio: ['pipe', 'pipe', 'inherit'] })
        let said = ''
        child.stdout.setEncoding('utf8').on('data', (text: string) => {
          said += text
        })
        await until(10_000, 'its start', () => said.includes('started'))
        if (state === 'is frozen') await backend.freeze()
        child.stdin.write('stop')
        await until(10_000, 'its end', () => child.exitCode !== null || child.signalCode !== null).finally(() => {
          child.kill('SIGKILL')
          return backend.thaw()
        })
        expect(said).toBe('started\nstopped\n')
        expect(child.exitCode).toBe(0)
      })
    }
  })
})

const skipSecured = await reasonToSkip('rabbitmq', { secured: true })

describe.skipIf(skipSecured !== undefined)(skipSecured ?? 'RabbitMQ with TLS and a password', () => {
  const credentials = { username: 'node', password: 'a p@ss/word' }
  let backend: Backend
  let ca: Buffer
  beforeAll(async () => {
    backend = await Backend.start('rabbitmq', { tls: true, credentials })
    ca = readFileSync(backend.tls?.certFile ?? '')
  })
  afterAll(() => backend?.stop())

  test('nodes meet, with credentials as an option and in the URL', async () => {
    const withCredentials = new URL(backend.url)
    withCredentials.username = credentials.username
    withCredentials.password = encodeURIComponent(credentials.password)
    await using a = await Node.start('a', { url: backend.url, credentials, tls: { ca } })
    await using b = await Node.start('b', { url: withCredentials.href, tls: { ca } })
    await meet(a, b)
  })

  for (const [what, options, problem] of [
    ['a wrong password', { credentials: { ...credentials, password: 'secret-and-wrong' } }, /ACCESS[_-]REFUSED/],
    ['a certificate that nobody vouches for', { credentials, tls: {} }, /self-signed|certificate/],
  ] as const) {
    test(`${what}: start rejects and says why, without the password`, async () => {
      const failure = await Node.start('a', { url: backend.url, tls: { ca }, ...options }).then(
        () => undefined,
        (error: Error & { code?: string }) => error,
      )
      expect(failure).toMatchObject({ code: 'TRANSPORT' })
      expect(failure?.message).toMatch(problem)
      expect(failure?.message).not.toMatch(/secret|p@ss/)
    })
  }
})

/** A method of channel 0. */
function amqpFrame(payload: readonly number[]): Uint8Array {
  return Uint8Array.of(1, 0, 0, 0, 0, 0, payload.length, ...payload, 0xce)
}
