import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MessageCutter, makeSchedule } from '../src/index.ts'

function message(type: number, size: number): Uint8Array {
  return Uint8Array.of(type, size >>> 16, size >>> 8, size, ...new Uint8Array(size).fill(size))
}

test('the cutter yields the same whole messages, however the stream is split', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(fc.nat({ max: 15 }), fc.nat({ max: 300 }))), fc.array(fc.nat({ max: 200 })), (plan, cuts) => {
      const messages = plan.map(([type, size]) => message(type, size))
      const bytes = Buffer.concat(messages)
      const cutter = new MessageCutter()
      const got: Uint8Array[] = []
      let at = 0
      for (const cut of [...cuts, bytes.byteLength]) {
        got.push(...cutter.push(bytes.subarray(at, at + cut)).map((part) => part.slice()))
        at += cut
      }
      expect(got.map((part) => Buffer.from(part).toString('hex'))).toEqual(messages.map((part) => Buffer.from(part).toString('hex')))
      expect(cutter.rest().byteLength).toBe(0)
    }),
  )
})

test('a schedule follows from its seed alone, and keeps within its bounds', () => {
  const options = { seed: 42, proxies: 3, lengthMs: 10_000, everyMs: 100, longestMs: 500 }
  const schedule = makeSchedule(options)
  expect(makeSchedule(options)).toEqual(schedule)
  expect(makeSchedule({ ...options, seed: 43 })).not.toEqual(schedule)
  expect(schedule.length).toBeGreaterThan(60)
  expect(new Set(schedule.map(({ fault }) => fault.kind))).toEqual(new Set(['drop', 'break-midway', 'hold', 'delay', 'throttle']))
  for (const { atMs, proxy, fault } of schedule) {
    expect(atMs).toBeLessThanOrEqual(10_000)
    expect([0, 1, 2]).toContain(proxy)
    if ('forMs' in fault) expect(fault.forMs).toBeLessThanOrEqual(500)
  }
})
