import { describe, expect, test } from 'vitest'
import { precedes, refusalReason, type Situation } from '../src/admission.ts'

const a = { nodeId: 'a', processId: 'p1' }
const b = { nodeId: 'b', processId: 'p2' }
const calm: Situation = {
  local: a,
  remote: b,
  remoteSerial: 5,
  refused: false,
  isCurrent: true,
  wantedProcessId: undefined,
  current: undefined,
  helloSent: false,
}

describe('admission', () => {
  test('keeps out a process that the store does not name, whatever else speaks for it', () => {
    expect(refusalReason({ ...calm, isCurrent: false })).toBe('unknown')
    expect(refusalReason({ ...calm, isCurrent: false, wantedProcessId: 'p2', current: { processId: 'p2', remoteSerial: 1 } })).toBe(
      'unknown',
    )
  })

  test('lets in whom nothing speaks against', () => {
    expect(refusalReason(calm)).toBeUndefined()
    expect(refusalReason({ ...calm, wantedProcessId: 'p2' })).toBeUndefined()
  })

  test('keeps out a process that was put out', () => {
    expect(refusalReason({ ...calm, refused: true })).toBe('disconnected')
  })

  test('of simultaneous dials, keeps that of the smaller process: exactly one side refuses', () => {
    expect(refusalReason({ ...calm, helloSent: true })).toBe('tie')
    expect(refusalReason({ ...calm, local: b, remote: a, helloSent: true })).toBeUndefined()
    expect(refusalReason({ ...calm, helloSent: false })).toBeUndefined()
  })

  test('a process that dials again has lost its connection: it is let in, unless the dial is older than the connection', () => {
    expect(refusalReason({ ...calm, current: { processId: 'p2', remoteSerial: 4 } })).toBeUndefined()
    expect(refusalReason({ ...calm, current: { processId: 'p2', remoteSerial: 6 } })).toBe('stale')
    expect(refusalReason({ ...calm, current: { processId: 'p2', remoteSerial: 4 }, wantedProcessId: 'p2' })).toBeUndefined()
  })

  test('the process that connect named is not displaced by another while it is up', () => {
    expect(refusalReason({ ...calm, current: { processId: 'p0', remoteSerial: 9 }, wantedProcessId: 'p0' })).toBe('preferred')
    expect(refusalReason({ ...calm, current: undefined, wantedProcessId: 'p0' })).toBeUndefined()
    expect(refusalReason({ ...calm, current: { processId: 'p0', remoteSerial: 9 }, wantedProcessId: 'p2' })).toBeUndefined()
    expect(refusalReason({ ...calm, current: { processId: 'p0', remoteSerial: 9 } })).toBeUndefined()
  })

  test('the order of processes is total', () => {
    expect(precedes(a, b)).toBe(true)
    expect(precedes(b, a)).toBe(false)
    expect(precedes({ nodeId: 'a', processId: 'x' }, { nodeId: 'a', processId: 'y' })).toBe(true)
    expect(precedes(a, a)).toBe(false)
  })
})
