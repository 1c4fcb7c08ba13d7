import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { MemoryDatabase } from '../../src/metadata/memory-database.ts'
import type { Change, Entry } from '../../src/metadata/metadata-store.ts'

function database() {
  const clock = { nowMs: 0 }
  return { clock, data: new MemoryDatabase({ storeId: 'store', now: () => clock.nowMs }) }
}

describe('the memory database', () => {
  test('ends a session exactly when its TTL has passed since it was last renewed', () => {
    const { clock, data } = database()
    data.openSession('s', 100)
    data.put('k', 'v', { session: 's' })
    clock.nowMs = 60
    expect(data.renewSession('s')).toBe(100)
    expect(data.nextExpiry()).toBe(160)
    clock.nowMs = 159
    expect(data.get('k')).toMatchObject({ session: 's' })
    clock.nowMs = 160
    expect(data.get('k')).toBeUndefined()
    expect(data.renewSession('s')).toBeUndefined()
    expect(data.put('k', 'v', { session: 's' })).toEqual({ ok: false, conflict: 'session' })
    expect(data.nextExpiry()).toBeUndefined()
  })

  test('shows nobody a key of a session that is over, whatever is asked first', () => {
    const asks: ((data: MemoryDatabase) => void)[] = [
      (data) => expect(data.list('')).toEqual([]),
      (data) => expect(data.put('k', 'x', { ifVersion: null }).ok).toBe(true),
      (data) => expect(data.putAll([{ key: 'j', value: '' }], { guard: { key: 'k', version: '1' } }).ok).toBe(false),
      (data) => expect(data.hasSession('s')).toBe(false),
      (data) => expect(data.delete('k', { ifVersion: '1' }).ok).toBe(false),
    ]
    for (const ask of asks) {
      const { clock, data } = database()
      data.openSession('s', 100)
      data.put('k', 'v', { session: 's' })
      clock.nowMs = 100
      ask(data)
    }
  })

  test('tells subscribers of each change under their prefix within the call that makes it, and none after they left', () => {
    const { data } = database()
    const seen: Change[] = []
    const stop = data.subscribe('a/', (change) => seen.push(change))
    data.put('a/1', 'x')
    data.put('b/1', 'x')
    data.delete('a/1')
    data.delete('a/1')
    stop()
    data.put('a/2', 'x')
    expect(seen).toEqual([
      { type: 'put', entry: { key: 'a/1', value: 'x', version: '1' } },
      { type: 'delete', key: 'a/1' },
    ])
  })

  test('counts on from the revision that it is given', () => {
    const data = new MemoryDatabase({ storeId: 'store', now: () => 0, firstRevision: 41 })
    expect(data.put('k', 'v')).toEqual({ ok: true, version: '42' })
    expect(data.revision).toBe(42)
    expect(data.size).toBe(1)
  })

  const key = fc.constantFrom('a', 'a/b', 'a/c', 'ab', 'b', 'b/é', 'b/\u{1F600}', 'b/\uFF5E')
  const session = fc.constantFrom('s1', 's2')
  const command = fc.oneof(
    fc.record({
      op: fc.constant('put' as const),
      key,
      session: fc.option(session, { nil: undefined }),
      condition: fc.constantFrom('none', 'right', 'wrong', 'absent'),
    }),
    fc.record({ op: fc.constant('delete' as const), key, condition: fc.constantFrom('none', 'right', 'wrong') }),
    fc.record({ op: fc.constant('open' as const), session }),
    fc.record({ op: fc.constant('renew' as const), session }),
    fc.record({ op: fc.constant('close' as const), session }),
    fc.record({ op: fc.constant('wait' as const), ms: fc.integer({ min: 1, max: 80 }) }),
  )

  test('agrees with a model of it after any commands, and so does what its subscribers saw', () => {
    fc.assert(
      fc.property(fc.array(command, { maxLength: 60 }), (commands) => {
        const { clock, data } = database()
        const model = new Map<string, { value: string; session: string | undefined; version: string }>()
        const sessions = new Map<string, number>()
        const mirror = new Map<string, Entry>()
        const versions = new Set<string>()
        data.subscribe('', (change) => {
          if (change.type === 'put') mirror.set(change.entry.key, change.entry)
          else mirror.delete(change.key)
        })
        const endSession = (id: string): void => {
          sessions.delete(id)
          for (const [name, entry] of model) if (entry.session === id) model.delete(name)
        }
        for (const [at, one] of commands.entries()) {
          if (one.op === 'wait') clock.nowMs += one.ms
          for (const [id, endsAt] of sessions) if (endsAt <= clock.nowMs) endSession(id)
          if (one.op === 'put') {
            const present = model.get(one.key)
            const ifVersion = { none: undefined, right: present?.version ?? 'never', wrong: 'never', absent: null }[one.condition]
            const fine =
              (one.condition === 'none' ||
                (one.condition === 'absent' && !present) ||
                (one.condition === 'right' && present !== undefined)) &&
              (one.session === undefined || sessions.has(one.session))
            const result = data.put(one.key, String(at), { ifVersion, session: one.session })
            expect(result.ok).toBe(fine)
            if (result.ok) {
              expect(versions.has(result.version)).toBe(false)
              versions.add(result.version)
              model.set(one.key, { value: String(at), session: one.session, version: result.version })
            }
          } else if (one.op === 'delete') {
            const present = model.get(one.key)
            const fine = one.condition === 'none' || (one.condition === 'right' && present !== undefined)
            const options =
              one.condition === 'none' ? {} : { ifVersion: one.condition === 'right' ? (present?.version ?? 'never') : 'never' }
            expect(data.delete(one.key, options).ok).toBe(fine)
            if (fine) model.delete(one.key)
          } else if (one.op === 'open') {
            if (!sessions.has(one.session)) {
              data.openSession(one.session, 100)
              sessions.set(one.session, clock.nowMs + 100)
            } else expect(() => data.openSession(one.session, 100)).toThrow()
          } else if (one.op === 'renew') {
            expect(data.renewSession(one.session)).toBe(sessions.has(one.session) ? 100 : undefined)
            if (sessions.has(one.session)) sessions.set(one.session, clock.nowMs + 100)
          } else if (one.op === 'close') {
            data.closeSession(one.session)
            endSession(one.session)
          }
          const listed = data.list('')
          const expected = [...model]
            .map(([name, { value, session, version }]) => ({ key: name, value, version, ...(session === undefined ? {} : { session }) }))
            .sort((a, b) => (a.key < b.key ? -1 : 1))
          expect(listed).toEqual(expected)
          expect([...mirror.values()].sort((a, b) => (a.key < b.key ? -1 : 1))).toEqual(expected)
          expect(data.list('a/')).toEqual(expected.filter((entry) => entry.key.startsWith('a/')))
        }
      }),
      { numRuns: 300 },
    )
  })
})
