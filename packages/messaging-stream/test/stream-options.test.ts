import { ConfigError } from '@cajun/core/adapter'
import { describe, expect, test } from 'vitest'
import { formatHostPort, isLoopback, parseAddress } from '../src/address.ts'
import { reconnectDelayMs } from '../src/reconnect-delay.ts'
import { resolveStreamOptions } from '../src/stream-options.ts'

describe('options', () => {
  test('have defaults', () => {
    expect(resolveStreamOptions({ port: 0 })).toMatchObject({
      host: '127.0.0.1',
      heartbeatIntervalMs: 1_000,
      heartbeatTimeoutMs: 4_000,
      reconnect: { minDelayMs: 50, maxDelayMs: 2_000 },
      maxFrameBytes: 4_194_304,
      highWaterMarkBytes: 1_048_576,
    })
    expect(resolveStreamOptions({ port: 0, reconnect: { maxDelayMs: 500 } }).reconnect).toEqual({ minDelayMs: 50, maxDelayMs: 500 })
  })

  test.each([
    [{ port: 70_000 }, /option port is 70000; it must be a whole number from 0 to 65535/],
    [{ port: Number.NaN }, /option port is NaN/],
    [{ port: 1.5 }, /option port is 1.5/],
    [{ port: 0, host: '0.0.0.0' }, /option host is '0.0.0.0'.*option tls.*insecure: true/],
    [{ port: 0, host: '10.0.0.1' }, /option host is '10.0.0.1'.*insecure: true/],
    [{ port: 0, host: 'example.org' }, /insecure: true/],
    [{ port: 0, host: '::' }, /insecure: true/],
    [{ port: 0, host: '0.0.0.0', insecure: true }, /set option advertise/],
    [{ port: 0, advertise: 'not an address' }, /option advertise is 'not an address'/],
    [{ port: 0, heartbeatIntervalMs: 1_000, heartbeatTimeoutMs: 2_000 }, /option heartbeatTimeoutMs is 2000.*at least 3000/],
    [{ port: 0, heartbeatIntervalMs: 0 }, /option heartbeatIntervalMs is 0/],
    [{ port: 0, connectTimeoutMs: -1 }, /option connectTimeoutMs is -1/],
    [{ port: 0, maxFrameBytes: 2 ** 24 }, /option maxFrameBytes is 16777216; it must be a whole number from 1 to 16777215/],
    [{ port: 0, highWaterMarkBytes: 0 }, /option highWaterMarkBytes is 0/],
    [{ port: 0, maxPendingConnections: 0 }, /option maxPendingConnections is 0/],
    [
      { port: 0, reconnect: { minDelayMs: 100, maxDelayMs: 50 } },
      /option reconnect.maxDelayMs is 50.*at least reconnect.minDelayMs \(100\)/,
    ],
  ])('%j is refused at construction, with the option, its value and what would be right', (options, message) => {
    expect(() => resolveStreamOptions(options)).toThrow(ConfigError)
    expect(() => resolveStreamOptions(options)).toThrow(message)
  })

  const tls = { caFile: 'ca.pem', certFile: 'a.pem', keyFile: 'a-key.pem' }
  const secret = { id: 'k1', secret: 'x'.repeat(32) }

  test.each([
    [{ tls }, /option tls is given without option secrets/],
    [{ tls: { ...tls, keyFile: '' }, secrets: [secret] }, /option tls.keyFile is ; it must be the path of a PEM file/],
    [{ tls: { ...tls, reloadIntervalMs: 0 }, secrets: [secret] }, /option tls.reloadIntervalMs is 0/],
    [{ secrets: [] }, /option secrets holds 0 secrets; it must be one, or two while it is exchanged/],
    [{ secrets: [secret, { ...secret, id: 'k2' }, { ...secret, id: 'k3' }] }, /option secrets holds 3 secrets/],
    [{ secrets: [{ ...secret, id: '' }] }, /option secrets\[0\].id must be a text of 1 to 255 bytes/],
    [{ secrets: [{ id: 'k1', secret: 'x'.repeat(31) }] }, /option secrets\[0\].secret has 31 bytes; at least 32 are needed/],
    [{ secrets: [{ id: 'k1', secret: new Uint8Array(16) }] }, /has 16 bytes/],
    [{ secrets: [secret, secret] }, /two secrets with the id 'k1'/],
  ])('security options %j are refused, and no error shows a secret', (options, message) => {
    expect(() => resolveStreamOptions({ port: 0, ...options })).toThrow(ConfigError)
    expect(() => resolveStreamOptions({ port: 0, ...options })).toThrow(message)
    expect(() => resolveStreamOptions({ port: 0, ...options })).not.toThrow(/xxx/)
  })

  test('with TLS it may listen everywhere', () => {
    expect(resolveStreamOptions({ port: 0, host: '0.0.0.0', advertise: 'node1', tls, secrets: [secret] })).toMatchObject({
      tls: { ...tls, reloadIntervalMs: 10_000 },
    })
    expect(() => resolveStreamOptions({ port: 0, host: '0.0.0.0', advertise: 'node1', secrets: [secret] })).toThrow(/insecure: true/)
  })

  test.each(['127.0.0.1', '127.9.9.9', '::1', 'localhost', '::ffff:127.0.0.1'])('%s is loopback', (host) => {
    expect(isLoopback(host)).toBe(true)
    expect(() => resolveStreamOptions({ port: 0, host })).not.toThrow()
  })

  test.each(['0.0.0.0', '::', '128.0.0.1', '127.evil.example', 'localhost.example', '1270.0.0.1'])('%s is not loopback', (host) => {
    expect(isLoopback(host)).toBe(false)
  })

  test('a bind to more than loopback is possible for those who say that it is insecure', () => {
    expect(() => resolveStreamOptions({ port: 0, host: '0.0.0.0', insecure: true, advertise: 'node1.internal' })).not.toThrow()
  })
})

describe('addresses', () => {
  test.each([
    ['127.0.0.1:80', { host: '127.0.0.1', port: 80 }],
    ['node1.internal:8080', { host: 'node1.internal', port: 8_080 }],
    ['[::1]:443', { host: '::1', port: 443 }],
  ])('%s is read', (text, expected) => {
    expect(parseAddress(text)).toEqual(expected)
    expect(formatHostPort(expected.host, expected.port)).toBe(text)
  })

  test.each(['', 'host', 'host:', ':80', 'host:0', 'host:65536', 'host:99999999', '::1:80', '[x]:80', 'a b:80', 'http://a:80'])(
    '%j is no address',
    (text) => {
      expect(parseAddress(text)).toBeUndefined()
    },
  )
})

describe('the wait before the next attempt', () => {
  const options = { minDelayMs: 50, maxDelayMs: 2_000 }

  test('doubles its ceiling up to the limit', () => {
    expect([0, 1, 2, 3, 5, 6, 100, 10_000].map((attempts) => reconnectDelayMs(attempts, options, 1))).toEqual([
      50, 100, 200, 400, 1_600, 2_000, 2_000, 2_000,
    ])
  })

  test('is anywhere below the ceiling: full jitter', () => {
    expect(reconnectDelayMs(3, options, 0)).toBe(0)
    expect(reconnectDelayMs(3, options, 0.5)).toBe(200)
  })
})
