import { describe, expect, it } from 'vitest'
import { LeaseClock } from '../../src/runtime/lease-clock.ts'

function newClock() {
  const at = { mono: 1_000, wall: 5_000_000 }
  const clock = new LeaseClock(
    () => at.mono,
    () => at.wall,
  )
  return { at, clock, from: clock.now() }
}

describe('the clock of leases', () => {
  it('advances with the monotonic clock', () => {
    const { at, clock, from } = newClock()
    at.mono += 100
    at.wall += 100
    expect(clock.now() - from).toBe(100)
  })

  it('counts a suspension, in which the monotonic clock stood still', () => {
    const { at, clock, from } = newClock()
    at.wall += 900
    expect(clock.now() - from).toBe(900)
  })

  it('does not go back when the wall clock is set back', () => {
    const { at, clock, from } = newClock()
    at.wall -= 60_000
    at.mono += 10
    expect(clock.now() - from).toBe(10)
  })

  it('counts a suspension whole also after the wall clock was set back', () => {
    const { at, clock, from } = newClock()
    at.wall -= 183
    at.mono += 1
    clock.now()
    at.wall += 1_076
    expect(clock.now() - from).toBeGreaterThanOrEqual(1_076)
  })

  it('does not run fast because the wall clock is coarser than the monotonic one', () => {
    const { at, clock, from } = newClock()
    for (let i = 1; i <= 10_000; i++) {
      at.mono = 1_000 + i / 10
      at.wall = 5_000_000 + Math.floor(i / 10)
      clock.now()
    }
    expect(clock.now() - from).toBeLessThan(1_002)
  })
})
