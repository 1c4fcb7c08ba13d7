// One connection against a real broker: what it does, and how it ends.

import { createRequire } from 'node:module'
import { Backend, reasonToSkip } from '@cajun/backends'
import { nodeRuntime } from '@cajun/core/adapter'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { deleteExpiredInboxes, SIGN_OF_LIFE } from '../src/inbox-expiry.ts'
import { InboxReader } from '../src/inbox-reader.ts'
import { InboxWriter } from '../src/inbox-writer.ts'
import { KafkaConnection, type KafkaConnectionOptions } from '../src/kafka-connection.ts'

const skip = await reasonToSkip('kafka')
const bytes = (text: string): Uint8Array => Buffer.from(text)
const texts = (values: readonly Uint8Array[]): string[] => values.map((value) => Buffer.from(value).toString())

describe.skipIf(skip !== undefined)(skip ?? 'a connection to Kafka', () => {
  let kafka: Backend
  const unhandled: unknown[] = []
  const note = (reason: unknown): void => void unhandled.push(reason)

  beforeAll(async () => {
    process.on('unhandledRejection', note)
    kafka = await Backend.start('kafka')
  })
  afterAll(async () => {
    await kafka?.stop()
    process.off('unhandledRejection', note)
    expect(unhandled).toEqual([])
  })

  const options = (): KafkaConnectionOptions => ({
    runtime: nodeRuntime,
    clientId: 'test',
    brokers: [kafka.url],
    tls: undefined,
    sasl: undefined,
    brokerAddress: (broker) => broker,
    requestTimeoutMs: 2_000,
  })

  async function withTopic<T>(
    topic: string,
    work: (connection: KafkaConnection) => Promise<T>,
    config: Record<string, string> = {},
  ): Promise<T> {
    const connection = await KafkaConnection.open(options())
    try {
      await connection.createTopic({ topic, replicationFactor: -1, config })
      return await work(connection)
    } finally {
      connection.drop(new Error('done'))
    }
  }

  test('creates a topic once, and says whether it was there', async () => {
    await withTopic('once', async (connection) => {
      expect(await connection.createTopic({ topic: 'once', replicationFactor: -1, config: {} })).toBe(false)
      expect(await connection.topics()).toContain('once')
    })
  })

  test('reads what was appended, from any place on, also from within a batch', async () => {
    await withTopic('places', async (connection) => {
      await connection.append('places', [bytes('a'), bytes('b'), bytes('c')])
      const all = await connection.read('places', 0, 100, 1_000)
      expect([texts(all.values), all.next]).toEqual([['a', 'b', 'c'], 3])
      const rest = await connection.read('places', 2, 100, 1_000)
      expect([texts(rest.values), rest.next]).toEqual([['c'], 3])
      expect(await connection.latestOffset('places')).toBe(3)
    })
  })

  test('a read that waits is answered by the first byte, long before its time', async () => {
    await withTopic('waiting', async (connection) => {
      await connection.append('waiting', [bytes('before')])
      const waiting = connection.read('waiting', 1, 30_000, 1_000)
      await connection.append('waiting', [bytes('now')])
      expect(texts((await waiting).values)).toEqual(['now'])
    })
  })

  test('what the broker refuses rejects with its reason and ends nothing', async () => {
    await withTopic('refusals', async (connection) => {
      await expect(connection.append('nobody-made-it', [bytes('x')])).rejects.toThrow('does not host this topic')
      await expect(connection.append('refusals', [new Uint8Array(3_000_000)])).rejects.toThrow('larger than the max message size')
      await expect(connection.read('refusals', 99, 100, 1_000)).rejects.toThrow('offset is not within the range')
      expect(connection.ended).toBeUndefined()
      await connection.append('refusals', [bytes('still')])
    })
  })

  test('a topic that was deleted does not stop requests for others', async () => {
    await withTopic('stays', async (connection) => {
      await connection.createTopic({ topic: 'goes', replicationFactor: -1, config: {} })
      await connection.append('goes', [bytes('x')])
      await connection.deleteTopic('goes')
      await connection.createTopic({ topic: 'new', replicationFactor: -1, config: {} })
      await connection.append('new', [bytes('x')])
      await connection.append('stays', [bytes('x')])
    })
  })

  test('a writer keeps order under load, in batches', async () => {
    await withTopic('load', async (connection) => {
      let batches = 0
      const counted = {
        append: (...args: Parameters<KafkaConnection['append']>) => {
          batches++
          return connection.append(...args)
        },
      } as KafkaConnection
      const writer = new InboxWriter({
        runtime: nodeRuntime,
        connection: counted,
        topic: 'load',
        maxBatchBytes: 100_000,
        onFailed: () => {},
      })
      const settled: number[] = []
      for (let i = 0; i < 5_000; i++) {
        writer.write(bytes(`${i}`), (error) => void settled.push(error === undefined ? i : -1))
        if (i % 500 === 0) await new Promise((resolve) => setImmediate(resolve))
      }
      await writer.idle()
      expect(settled).toEqual(Array.from({ length: 5_000 }, (_, i) => i))
      expect(batches).toBeLessThan(50)
      const read: string[] = []
      const reader = new InboxReader(
        { runtime: nodeRuntime, connection, topic: 'load', offset: 0, maxWaitMs: 100, maxBytes: 10_000 },
        { onValue: (value) => (read.push(Buffer.from(value).toString()) === 5_000 ? reader.stop() : undefined), onGap: () => {} },
      )
      await reader.run()
      expect(read).toEqual(Array.from({ length: 5_000 }, (_, i) => `${i}`))
    })
  })

  test('a reader whose place is gone goes on with the oldest that is left, and says so', async () => {
    await withTopic('gap', async (connection) => {
      await connection.append('gap', [bytes('a')])
      let gaps = 0
      const reader = new InboxReader(
        { runtime: nodeRuntime, connection, topic: 'gap', offset: 77, maxWaitMs: 100, maxBytes: 10_000 },
        { onValue: () => reader.stop(), onGap: () => gaps++ },
      )
      await reader.run()
      expect([gaps, reader.offset]).toEqual([1, 1])
    })
  })

  test('inboxes in which everything has expired are deleted, those of the living and the new ones stay', async () => {
    const expires = { 'retention.ms': '1', 'segment.ms': '1', 'file.delete.delay.ms': '1' }
    await withTopic(
      'cajun.x.dead',
      async (connection) => {
        await connection.createTopic({ topic: 'cajun.x.new', replicationFactor: -1, config: expires })
        await connection.createTopic({ topic: 'cajun.x.alive', replicationFactor: -1, config: {} })
        await connection.createTopic({ topic: 'cajun.y.dead', replicationFactor: -1, config: {} })
        for (const topic of ['cajun.x.dead', 'cajun.x.alive', 'cajun.y.dead']) await connection.append(topic, [SIGN_OF_LIFE])
        // Kafka looks for what has expired every second here.
        while ((await connection.earliestOffset('cajun.x.dead')) === 0) await new Promise((resolve) => setTimeout(resolve, 50))
        expect(await deleteExpiredInboxes(connection, 'cajun.x.', 'cajun.x.own')).toEqual(['cajun.x.dead'])
        const left = await connection.topics()
        expect(left.filter((topic) => topic.startsWith('cajun.'))).toEqual(
          expect.arrayContaining(['cajun.x.alive', 'cajun.x.new', 'cajun.y.dead']),
        )
        expect(left).not.toContain('cajun.x.dead')
      },
      expires,
    )
  })

  test('kafkajs does not poll while nothing happens', async () => {
    const { prototype } = createRequire(import.meta.url)('kafkajs/src/network/requestQueue/index.js') as {
      prototype: { checkPendingRequests(): void }
    }
    await withTopic('idle', async (connection) => {
      await connection.append('idle', [bytes('x')])
      let looks = 0
      const look = prototype.checkPendingRequests
      prototype.checkPendingRequests = function (this: unknown) {
        looks++
        look.call(this as { checkPendingRequests(): void })
      }
      try {
        await new Promise((resolve) => setTimeout(resolve, 300))
      } finally {
        prototype.checkPendingRequests = look
      }
      // Unpatched: about one a millisecond for each connection.
      expect(looks).toBeLessThan(5)
    })
  })

  test('ends with its broker; what waited learns of it at once, and a new one works after the restart', async ({ skip }) => {
    if (!kafka.controllable) skip('the server is from the environment')
    await withTopic('killed', async (connection) => {
      await connection.append('killed', [bytes('kept')])
      const waiting = connection.read('killed', 1, 60_000, 1_000)
      waiting.catch(() => {})
      await kafka.kill()
      await expect(waiting).rejects.toThrow()
      expect(connection.ended).toBeInstanceOf(Error)
      await expect(connection.append('killed', [bytes('x')])).rejects.toThrow()
    })
    await expect(KafkaConnection.open(options())).rejects.toThrow('ECONNREFUSED')
    await kafka.restart()
    await withTopic('killed', async (connection) =>
      expect(texts((await connection.read('killed', 0, 1_000, 1_000)).values)).toEqual(['kept']),
    )
  })

  test('a frozen broker is found by the time-out of a request', async ({ skip }) => {
    if (!kafka.controllable) skip('the server is from the environment')
    await withTopic('frozen', async (connection) => {
      await kafka.freeze()
      try {
        await expect(connection.append('frozen', [bytes('x')])).rejects.toThrow('no answer within 2000 ms')
        expect(connection.ended).toBeInstanceOf(Error)
      } finally {
        await kafka.thaw()
      }
    })
  })
})

const skipSecured = await reasonToSkip('kafka', { secured: true })

describe.skipIf(skipSecured !== undefined)(skipSecured ?? 'with TLS and a password', () => {
  test('those who have both are let in, and nobody else', async () => {
    const { readFileSync } = await import('node:fs')
    await using kafka = await Backend.start('kafka', { tls: true, credentials: { username: 'cajun', password: 'secret' } })
    const open = async (password: string, ca: Buffer | undefined): Promise<void> => {
      const connection = await KafkaConnection.open({
        runtime: nodeRuntime,
        clientId: 'test',
        brokers: [kafka.url],
        tls: ca === undefined ? true : { ca },
        sasl: { mechanism: 'plain', username: 'cajun', password },
        brokerAddress: (broker) => broker,
        requestTimeoutMs: 5_000,
      })
      await connection.topics()
      connection.drop(new Error('done'))
    }
    const ca = readFileSync(kafka.tls?.certFile as string)
    await open('secret', ca)
    await expect(open('wrong', ca)).rejects.toThrow('Invalid username or password')
    await expect(open('secret', undefined)).rejects.toThrow('self-signed certificate')
  })
})
