import { ConfigError } from '@cajun/core/adapter'
import { describe, expect, test } from 'vitest'
import { RabbitMqMessagingSystem } from '../src/index.ts'
import { type RabbitMqMessagingOptions, resolveRabbitMqOptions } from '../src/options.ts'

const url = 'amqp://127.0.0.1:5672'

describe('options', () => {
  test('what is not given has a default', () => {
    const { prefetch, prefix, inboxExpiresMs, maxInboxBytes, heartbeatTimeoutMs } = resolveRabbitMqOptions({ url })
    expect({ prefetch, prefix, inboxExpiresMs, maxInboxBytes, heartbeatTimeoutMs }).toEqual({
      prefetch: 300,
      prefix: 'cajun',
      inboxExpiresMs: 600_000,
      maxInboxBytes: 268_435_456,
      heartbeatTimeoutMs: 4_000,
    })
  })

  test('undefined counts as not given', () => {
    expect(resolveRabbitMqOptions({ url, prefetch: undefined } as unknown as RabbitMqMessagingOptions).prefetch).toBe(300)
  })

  for (const [wrong, named] of [
    [{ url: 'http://127.0.0.1' }, /url/],
    [{ url: 'amqp:' }, /url/],
    [{ url: [] }, /url/],
    [{ url, tls: {} }, /option tls.*amqps/],
    [{ url, prefix: 'a/b' }, /prefix is 'a\/b'/],
    [{ url, prefetch: 0 }, /prefetch is 0/],
    [{ url, inboxExpiresMs: 999 }, /inboxExpiresMs is 999/],
    [{ url, maxInboxBytes: 1_000 }, /maxInboxBytes is 1000/],
    [{ url, heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 2_000 }, /heartbeatTimeoutMs is 2000/],
    [{ url, frameKeys: [{ id: 1, secret: 'short' }] }, /frameKeys/],
  ] as [RabbitMqMessagingOptions, RegExp][]) {
    test(`${JSON.stringify({ ...wrong, url: wrong.url === url ? undefined : wrong.url })} is refused`, () => {
      expect(() => new RabbitMqMessagingSystem(wrong)).toThrow(ConfigError)
      expect(() => new RabbitMqMessagingSystem(wrong)).toThrow(named)
    })
  }

  test('a wrong URL is not repeated: it may hold a password', () => {
    expect(() => resolveRabbitMqOptions({ url: 'ampq://me:secret@host' })).not.toThrow(/secret/)
  })

  test('names that make the inbox too long for AMQP are refused at start', async () => {
    const system = new RabbitMqMessagingSystem({ url })
    const handler = { onFrame() {}, onPeerUp() {}, onPeerDown() {}, onDrain() {} }
    await expect(system.start({ clusterId: 'c'.repeat(200), nodeId: 'n'.repeat(60), processId: 'p' }, handler)).rejects.toThrow(/255 bytes/)
  })
})
