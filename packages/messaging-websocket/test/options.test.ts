import { ConfigError } from '@cajun/core/adapter'
import { describe, expect, test } from 'vitest'
import { resolveWebSocketOptions } from '../src/options.ts'
import { hostAndPort, parseUrl } from '../src/url.ts'

describe('options of the WebSocket transport', () => {
  test('have defaults', () => {
    expect(resolveWebSocketOptions({ port: 0 })).toMatchObject({ path: '/cajun', stream: { host: '127.0.0.1', maxFrameBytes: 4_194_304 } })
  })

  test.each([
    [{}, /option port is missing/],
    [{ port: 70_000 }, /option port is 70000/],
    [{ port: 0, path: 'cajun' }, /option path is 'cajun'; it must begin with \//],
    [{ port: 0, path: '/a?b' }, /option path is '\/a\?b'/],
    [{ port: 0, advertise: 'http://example.org/' }, /option advertise is 'http:\/\/example.org\/'; it must be ws:/],
    [{ port: 0, advertise: 'no such thing' }, /option advertise/],
    [{ port: 0, host: '0.0.0.0' }, /option host is '0.0.0.0'.*insecure: true/],
    [{ server: {} as never }, /option server must be a server of node:http or node:https/],
  ])('%j is refused, with what would be right', (options, message) => {
    expect(() => resolveWebSocketOptions(options)).toThrow(ConfigError)
    expect(() => resolveWebSocketOptions(options)).toThrow(message)
  })

  test('a whole URL may be advertised, or a part of one', () => {
    const url = 'wss://actors.example.org/node-1'
    expect(resolveWebSocketOptions({ port: 0, host: '0.0.0.0', insecure: true, advertise: url }).advertisedUrl).toBe(url)
    expect(resolveWebSocketOptions({ port: 0, advertise: 'node1:80' }).stream.advertise).toBe('node1:80')
  })
})

describe('addresses of the WebSocket transport', () => {
  test.each(['127.0.0.1:80', 'http://a/b', 'ws://', 'ws://a/#b', ''])('%j is none', (address) => {
    expect(parseUrl(address)).toBeUndefined()
  })

  test.each([
    ['ws://a/b', { host: 'a', port: 80 }],
    ['wss://a/b', { host: 'a', port: 443 }],
    ['ws://[::1]:8080/', { host: '::1', port: 8080 }],
  ])('%s leads to %j', (address, target) => {
    expect(hostAndPort(parseUrl(address) as URL)).toEqual(target)
  })
})
