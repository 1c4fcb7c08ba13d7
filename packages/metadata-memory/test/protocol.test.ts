import { type Entry, ProtocolError } from '@cajun/core/adapter'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { partsOf, readClientMessage, readServerMessage } from '../src/protocol.ts'

const key = 'k'.repeat(512)

describe('what a client sends', () => {
  test.each([
    [
      { hello: 1, client: 'abc', connection: 0 },
      { type: 'hello', version: 1, client: 'abc', connection: 0 },
    ],
    [
      { id: 1, request: { op: 'get', key } },
      { type: 'request', id: 1, request: { op: 'get', key } },
    ],
    [
      { id: 1, watch: '' },
      { type: 'watch', id: 1, prefix: '' },
    ],
    [{ unwatch: 3 }, { type: 'unwatch', id: 3 }],
    [
      { id: 2, request: { op: 'put', key, value: '', ifVersion: null, session: 's', extra: 1 } },
      { type: 'request', id: 2, request: { op: 'put', key, value: '', ifVersion: null, guard: undefined, session: 's' } },
    ],
  ])('is read: %j', (sent, read) => {
    expect(readClientMessage(sent)).toEqual(read)
  })

  test.each([
    [{}],
    [{ id: 1 }],
    [{ id: -1, watch: 'a' }],
    [{ id: 1.5, watch: 'a' }],
    [{ id: '1', watch: 'a' }],
    [{ id: 1, watch: 7 }],
    [{ id: 1, watch: 'k'.repeat(513) }],
    [{ hello: '1', client: 'a', connection: 0 }],
    [{ hello: 1, client: 'c'.repeat(65), connection: 0 }],
    [{ hello: 1, client: 'a', connection: Number.NaN }],
    [{ unwatch: null }],
    [{ id: 1, request: null }],
    [{ id: 1, request: [] }],
    [{ id: 1, request: { op: 'drop' } }],
    [{ id: 1, request: { op: 'get' } }],
    [{ id: 1, request: { op: 'get', key: '' } }],
    [{ id: 1, request: { op: 'get', key: `${key}k` } }],
    [{ id: 1, request: { op: 'get', key: 'lone\uD800' } }],
    [{ id: 1, request: { op: 'put', key, value: 7 } }],
    [{ id: 1, request: { op: 'put', key, value: 'x'.repeat(1_048_577) } }],
    [{ id: 1, request: { op: 'put', key, value: '', ifVersion: 3 } }],
    [{ id: 1, request: { op: 'put', key, value: '', guard: { key } } }],
    [{ id: 1, request: { op: 'put', key, value: '', guard: 'g' } }],
    [{ id: 1, request: { op: 'put', key, value: '', session: {} } }],
    [{ id: 1, request: { op: 'putAll', entries: {} } }],
    [{ id: 1, request: { op: 'putAll', entries: [null] } }],
    [{ id: 1, request: { op: 'putAll', entries: Array.from({ length: 1_001 }, () => ({ key: 'k', value: '' })) } }],
    [{ id: 1, request: { op: 'delete', key, ifVersion: null } }],
    [{ id: 1, request: { op: 'openSession', session: 's', ttlMs: 0 } }],
    [{ id: 1, request: { op: 'openSession', session: 's', ttlMs: 1e12 } }],
    [{ id: 1, request: { op: 'renewSession' } }],
  ])('is refused: %j', (sent) => {
    expect(() => readClientMessage(sent)).toThrow(ProtocolError)
  })

  test('is read or refused, never anything else, whatever it is', () => {
    const noise = fc.dictionary(
      fc.constantFrom('hello', 'client', 'connection', 'id', 'watch', 'unwatch', 'request', 'op', 'key', '__proto__'),
      fc.oneof(
        fc.jsonValue(),
        fc.record({ op: fc.constantFrom('get', 'put', 'putAll', 'list', 'delete'), key: fc.jsonValue(), entries: fc.jsonValue() }),
      ),
    )
    fc.assert(
      fc.property(noise, (fields) => {
        for (const read of [readClientMessage, readServerMessage]) {
          try {
            read(fields)
          } catch (error) {
            expect(error).toBeInstanceOf(ProtocolError)
          }
        }
      }),
      { numRuns: 2_000 },
    )
  })
})

describe('what a server sends', () => {
  test.each([
    [{}],
    [{ id: 1 }],
    [{ watch: 1 }],
    [{ watch: 1, snapshot: {} }],
    [{ welcome: 2, storeId: 's' }],
    [{ welcome: 1 }],
    [{ id: 1, part: 'x' }],
  ])('is refused: %j', (sent) => {
    expect(() => readServerMessage(sent)).toThrow(ProtocolError)
  })

  test('comes in parts where it is long, none of which is empty but the only one', () => {
    const entries: Entry[] = Array.from({ length: 1_000 }, (_, at) => ({ key: `k${at}`, value: 'x'.repeat(1_000), version: '1' }))
    const parts = partsOf(entries, (entry) => entry)
    expect(parts.length).toBeGreaterThan(3)
    expect(parts.flat()).toEqual(entries)
    expect(parts.every((part) => part.length > 0)).toBe(true)
    expect(partsOf([], () => undefined)).toEqual([[]])
    const large: Entry[] = Array.from({ length: 3 }, (_, at) => ({ key: `k${at}`, value: 'x'.repeat(1_000_000), version: '1' }))
    expect(partsOf(large, (entry) => entry).map((part) => part.length)).toEqual([1, 1, 1])
  })
})
