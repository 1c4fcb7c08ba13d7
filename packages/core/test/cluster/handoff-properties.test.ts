// Source, target and driver of handoffs under random events: whatever is lost, repeated, late or out of order.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { ActorSnapshot } from '../../src/actor/snapshot.ts'
import { fromWireUnit, type HandoffMessage } from '../../src/cluster/control-messages.ts'
import { HandoffDriver } from '../../src/cluster/handoff-driver.ts'
import { HandoffSource } from '../../src/cluster/handoff-source.ts'
import { HandoffTarget } from '../../src/cluster/handoff-target.ts'
import {
  entryOf,
  initialPlacement,
  type Owner,
  type PlacementDocument,
  sameOwner,
  type UnitKey,
} from '../../src/cluster/placement-document.ts'
import { applyChanges, type PlacementChange, PlacementChangeError } from '../../src/cluster/placement-transitions.ts'
import { unitOf } from '../../src/cluster/placement-views.ts'
import { packShipment } from '../../src/cluster/shipment.ts'
import { type Unit, unitKey } from '../../src/delivery/placement-view.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

const owner = (name: string): Owner => ({ nodeId: name, processId: `p-${name}`, incarnation: `s-${name}` })
const unitAt = (shard: number): Unit => ({ kind: 'k', shard, pin: undefined })

type Ship = Parameters<HandoffTarget['receive']>[1]

/** What a source sends in one attempt to ship one actor of that state. */
function shipment(handoffId: string, attempt: number, epoch: number, state: string): Ship[] {
  const actor: ActorSnapshot = { id: 'x', kind: 'k', fresh: false, state, stash: [], timers: [], children: [] }
  const chunks = [...packShipment([{ actor }], 24, () => {})]
  return [
    { t: 'ship-begin', handoffId, attempt, unit: { kind: 'k', shard: 0 }, epoch },
    ...chunks.map((bytes, seq): Ship => ({ t: 'ship-chunk', handoffId, attempt, seq, bytes })),
    { t: 'ship-end', handoffId, attempt, chunks: chunks.length },
  ]
}

type Arrival = 'all' | readonly number[] | { readonly chunksBy: readonly number[] }

function orderOf(arrival: Arrival, length: number): readonly number[] {
  const all = Array.from({ length }, (_, i) => i)
  if (arrival === 'all') return all
  if (!('chunksBy' in arrival)) return arrival
  const by = (i: number): number => arrival.chunksBy[i] ?? 0
  return [0, ...all.slice(1, -1).sort((a, b) => by(a) - by(b)), length - 1]
}

describe('the target of a handoff', () => {
  it('confirms only what is whole, keeps the newest, and gets there when an attempt comes through', () => {
    const events = fc.array(
      fc.record({
        handoff: fc.nat(2),
        attempt: fc.integer({ min: 1, max: 3 }),
        /** Which messages of the attempt come through, in this order. */
        arrive: fc.oneof(
          fc.constant('all' as const),
          fc.array(fc.nat(20), { maxLength: 8 }),
          // All of them, the chunks in another order.
          fc.array(fc.nat(), { minLength: 20, maxLength: 20 }).map((keys) => ({ chunksBy: keys })),
        ),
      }),
      { maxLength: 12 },
    )
    fc.assert(
      fc.property(events, (all) => {
        const target = new HandoffTarget()
        const stateOf = (handoff: number): string => `the state of handoff ${handoff}`.repeat(handoff + 1)
        const epochOf = (handoff: number): number => 10 + handoff
        const give = (handoff: number, message: Ship): void => {
          const before = target.copyOf(unitAt(0))?.epoch ?? 0
          const answer = target.receive('source', message)
          const copy = target.copyOf(unitAt(0))
          if (copy !== undefined) {
            expect(copy.actors.map((actor) => actor.state)).toEqual([stateOf(copy.epoch - 10)])
            expect(copy.epoch).toBeGreaterThanOrEqual(before)
          }
          if (answer?.t === 'ship-copied') expect(copy?.epoch).toBe(epochOf(handoff))
          // Only a newer handoff, or none, takes the place of a whole copy.
          if (copy === undefined && before > 0) expect([message.t, epochOf(handoff) > before]).toEqual(['ship-begin', true])
          if (answer !== undefined) expect(answer.handoffId).toBe(message.handoffId)
        }
        for (const { handoff, attempt, arrive } of all) {
          const messages = shipment(`h-${handoff}`, attempt, epochOf(handoff), stateOf(handoff))
          for (const i of orderOf(arrive, messages.length)) if (messages[i] !== undefined) give(handoff, messages[i])
        }
        for (const message of shipment('h-2', 9, epochOf(2), stateOf(2))) give(2, message)
        expect(target.copyOf(unitAt(0))?.epoch).toBe(epochOf(2))
        expect(target.size).toBe(1)
      }),
      { numRuns: 300 },
    )
  })
})

describe('the source of handoffs', () => {
  type Event =
    | { readonly do: 'begin'; readonly shard: number; readonly handoff: number }
    | { readonly do: 'end' | 'sealed' | 'copied' | 'again' | 'stranger'; readonly shard: number }
    | { readonly do: 'pass'; readonly ms: number }
    | { readonly do: 'drained' }
    | { readonly do: 'lead'; readonly who: 'x' | 'y' | undefined }
  const shard = fc.nat(2)
  const event: fc.Arbitrary<Event> = fc.oneof(
    fc.record({ do: fc.constant('begin' as const), shard, handoff: fc.nat(1) }),
    fc.record({ do: fc.constantFrom('sealed' as const, 'copied' as const, 'again' as const, 'stranger' as const), shard }),
    fc.record({ do: fc.constantFrom('end' as const, 'sealed' as const), shard }),
    fc.constant({ do: 'drained' as const }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 4_000 }) }),
    fc.record({ do: fc.constant('lead' as const), who: fc.constantFrom('x' as const, 'y' as const, undefined) }),
  )

  it('seals before it ships, a few at a time, reports what was confirmed, and says nothing of what has ended', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 10, maxLength: 60 }), fc.integer({ min: 1, max: 3 }), async (events, concurrent) => {
        const runtime = new ManualRuntime()
        const target = owner('target')
        let leader: Owner | undefined = owner('x')
        const sealing = new Map<string, () => void>()
        const errors: unknown[] = []
        const sealed = new Set<string>()
        /** Who waits until there is room to send. */
        const draining: (() => void)[] = []
        const drain = (): void => {
          for (const go of draining.splice(0)) go()
        }
        /** By shard: the handoff in force, its last attempt, and whether it was confirmed. */
        const jobs = new Map<number, { readonly id: string; attempt: number; confirmed: boolean; reported: boolean }>()
        const jobOf = (handoffId: string) => [...jobs.values()].find(({ id }) => id === handoffId)
        const shippingNow = (): number => [...jobs.values()].filter((job) => job.attempt > 0 && !job.confirmed).length
        const source = new HandoffSource({
          runtime,
          concurrent,
          seal: (unit) =>
            new Promise<void>((resolve) => {
              expect(sealing.size + shippingNow()).toBeLessThan(concurrent)
              sealing.set(unitKey(unit), () => {
                sealed.add(unitKey(unit))
                resolve()
              })
            }),
          chunks: () => [Uint8Array.of(1), Uint8Array.of(2)],
          send: (to, message: HandoffMessage) => {
            const job = jobOf(message.handoffId)
            // Not thrown: the source takes errors of a job that has ended for part of its end.
            if (job === undefined) return void errors.push(new Error(`${message.t} of ${message.handoffId}, which has ended`))
            if (message.t === 'released') {
              expect(job.confirmed).toBe(true)
              expect(to).toBe(leader)
              job.reported = true
              return
            }
            expect(to).toBe(target)
            expect(job.confirmed).toBe(false)
            if (message.t !== 'ship-begin') return
            expect(sealed.has(unitKey(fromWireUnit(message.unit)))).toBe(true)
            expect(message.attempt).toBe(job.attempt + 1)
            job.attempt = message.attempt
            expect(shippingNow()).toBeLessThanOrEqual(concurrent)
          },
          drained: () =>
            new Promise<void>((resolve) => {
              draining.push(resolve)
            }),
          leader: () => leader,
          onError: (error) => errors.push(error),
        })
        const seal = (key: string): void => {
          sealing.get(key)?.()
          sealing.delete(key)
        }
        const confirm = (at: number, from: Owner = target): void => {
          const job = jobs.get(at)
          if (job === undefined) return
          if (job.attempt > 0 && from === target) job.confirmed = true
          source.receive(from, { t: 'ship-copied', handoffId: job.id })
        }
        for (const event of events) {
          if (event.do === 'begin') {
            const id = `h-${event.shard}-${event.handoff}`
            if (jobs.get(event.shard)?.id !== id) {
              sealed.delete(unitKey(unitAt(event.shard)))
              sealing.delete(unitKey(unitAt(event.shard)))
              jobs.set(event.shard, { id, attempt: 0, confirmed: false, reported: false })
            }
            source.begin(unitAt(event.shard), event.handoff + 1, id, target)
          } else if (event.do === 'end') {
            jobs.delete(event.shard)
            sealing.delete(unitKey(unitAt(event.shard)))
            source.end(unitAt(event.shard))
          } else if (event.do === 'sealed') seal(unitKey(unitAt(event.shard)))
          else if (event.do === 'drained') drain()
          else if (event.do === 'copied') confirm(event.shard)
          else if (event.do === 'stranger') confirm(event.shard, owner('stranger'))
          else if (event.do === 'again') {
            const job = jobs.get(event.shard)
            if (job !== undefined) source.receive(target, { t: 'ship-again', handoffId: job.id, attempt: job.attempt })
          } else if (event.do === 'pass') runtime.advance(event.ms)
          else if (event.do === 'lead') {
            leader = event.who === undefined ? undefined : owner(event.who)
            source.leaderChanged()
          }
          await runtime.settle()
          if (errors.length > 0) throw errors[0]
        }
        // When everything answers, everything that is still wanted is released and reported.
        leader = owner('x')
        for (let round = 0; round < 12; round++) {
          for (const key of [...sealing.keys()]) seal(key)
          for (let chunk = 0; chunk < 4; chunk++) {
            await runtime.settle()
            drain()
          }
          await runtime.settle()
          for (const [at, job] of jobs) if (job.attempt > 0 && !job.confirmed) confirm(at)
          await runtime.advanceAndSettle(350)
          if (errors.length > 0) throw errors[0]
        }
        expect([...jobs.values()].every((job) => job.confirmed && job.reported)).toBe(true)
        expect(source.size).toBe(jobs.size)
        source.endAll()
      }),
      { numRuns: 150 },
    )
  })
})

describe('the driver of handoffs', () => {
  const TIMEOUT_MS = 2_000
  const REST_MS = 3_000
  const nodes = ['a', 'b', 'c']
  const node = fc.constantFrom(...nodes)
  type Event =
    | { readonly do: 'begin' | 'assign'; readonly shard: number; readonly to: string }
    | { readonly do: 'pin'; readonly id: string; readonly to: string }
    | { readonly do: 'release'; readonly unit: UnitKey; readonly from: string; readonly stale: boolean }
    | { readonly do: 'leave' | 'return'; readonly who: string }
    | { readonly do: 'pass'; readonly ms: number }
  const shard = fc.nat(3)
  const id = fc.constantFrom('x', 'y')
  const event: fc.Arbitrary<Event> = fc.oneof(
    fc.record({ do: fc.constantFrom('begin' as const, 'begin' as const, 'begin' as const, 'assign' as const), shard, to: node }),
    fc.record({ do: fc.constant('pin' as const), id, to: node }),
    fc.record({ do: fc.constant('release' as const), unit: fc.oneof(shard, id), from: node, stale: fc.boolean() }),
    fc.record({ do: fc.constantFrom('leave' as const, 'return' as const), who: node }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 2_500 }) }),
  )

  it('completes what its owner released to a target that lives, aborts in time and not before, and lets units rest', () => {
    fc.assert(
      fc.property(fc.array(event, { minLength: 10, maxLength: 80 }), (events) => {
        const driver = new HandoffDriver({ timeoutMs: TIMEOUT_MS, restMs: REST_MS })
        let document: PlacementDocument = applyChanges(
          initialPlacement('k', 4),
          [0, 1, 2, 3].map((unit): PlacementChange => ({ type: 'assign', unit, owner: owner(nodes[unit % 3] as string) })),
        )
        let nowMs = 0
        let handoffs = 0
        const alive = new Set(nodes)
        const seenAtMs = new Map<string, number>()
        const released = new Set<string>()
        const restsUntilMs = new Map<UnitKey, number>()
        const tryChange = (change: PlacementChange): void => {
          try {
            document = applyChanges(document, [change])
          } catch (error) {
            if (!(error instanceof PlacementChangeError)) throw error
          }
        }
        const moving = (): [UnitKey, NonNullable<ReturnType<typeof entryOf>>][] =>
          [...document.shards.entries(), ...document.pins].filter(([, entry]) => entry.move !== undefined)
        for (const event of events) {
          if (event.do === 'begin') {
            const move = { unit: event.shard, from: owner('a'), target: owner(event.to), reason: 'rebalance' as const }
            const [allowed] = driver.mayBegin(document, [move], nowMs)
            expect(allowed === undefined).toBe(nowMs < (restsUntilMs.get(event.shard) ?? 0))
            if (allowed !== undefined)
              tryChange({ type: 'begin-move', unit: event.shard, handoffId: `h-${handoffs++}`, target: owner(event.to) })
          } else if (event.do === 'pin') tryChange({ type: 'pin', id: event.id, handoffId: `h-${handoffs++}`, target: owner(event.to) })
          else if (event.do === 'assign') tryChange({ type: 'assign', unit: event.shard, owner: owner(event.to) })
          else if (event.do === 'release') {
            const entry = entryOf(document, event.unit)
            if (entry?.move !== undefined) {
              const { handoffId } = entry.move
              const epoch = event.stale ? entry.epoch - 1 : entry.epoch
              const taken = driver.released(document, unitOf(document, event.unit), handoffId, epoch, owner(event.from), nowMs)
              expect(taken).toBe(!event.stale && entry.owner?.nodeId === event.from)
              if (taken) {
                released.add(handoffId)
                if (!seenAtMs.has(handoffId)) seenAtMs.set(handoffId, nowMs)
              }
            }
          } else if (event.do === 'leave') alive.delete(event.who)
          else if (event.do === 'return') alive.add(event.who)
          else if (event.do === 'pass') nowMs += event.ms

          for (const [, entry] of moving()) {
            const handoffId = entry.move?.handoffId ?? ''
            if (!seenAtMs.has(handoffId)) seenAtMs.set(handoffId, nowMs)
          }
          const owners = [...alive].map(owner)
          const before = new Map(moving())
          const changes = driver.changes(document, owners, new Set(), nowMs)
          for (const [unit, { move }] of before) {
            const { handoffId, target } = move as NonNullable<typeof move>
            const change = changes.find((each) => 'unit' in each && each.unit === unit)
            const mayComplete = released.has(handoffId) && owners.some((each) => sameOwner(each, target))
            const isLate = nowMs - (seenAtMs.get(handoffId) as number) >= TIMEOUT_MS
            expect(change?.type).toBe(mayComplete ? 'complete-move' : isLate ? 'abort-move' : undefined)
            if (change?.type === 'abort-move') restsUntilMs.set(unit, nowMs + REST_MS)
          }
          expect(changes.length).toBeLessThanOrEqual(before.size)
          document = applyChanges(document, changes)
          // Nothing that moves is forgotten: the driver wants to be woken no later than its time is up.
          const nextMs = driver.settle([document], nowMs)
          for (const [, { move }] of moving())
            expect(nextMs).toBeLessThanOrEqual((seenAtMs.get(move?.handoffId ?? '') as number) + TIMEOUT_MS)
        }
      }),
      { numRuns: 300 },
    )
  })
})
