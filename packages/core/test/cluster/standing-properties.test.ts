// Isolation, candidacy and health under random events: what each decides of this node's part in the cluster.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Candidacy } from '../../src/cluster/candidacy.ts'
import { ClusterEvents } from '../../src/cluster/cluster-events.ts'
import { HealthMonitor } from '../../src/cluster/health.ts'
import { IsolationWatch } from '../../src/cluster/isolation.ts'
import { ClosedError } from '../../src/errors.ts'
import type { Campaign, Leadership } from '../../src/metadata/metadata-store.ts'
import type { Session } from '../../src/metadata/session.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

function mostly<T>(usual: T, other: T): fc.Arbitrary<T> {
  return fc.oneof({ weight: 14, arbitrary: fc.constant(usual) }, { weight: 1, arbitrary: fc.constant(other) })
}

describe('isolation', () => {
  const ISOLATION_MS = 100_000
  const LONGEST_ABSENCE_MS = 300_000
  const look = fc.record({
    afterMs: fc.oneof(fc.integer({ min: 1, max: 60_000 }), fc.integer({ min: 1, max: 200_000 })),
    registered: mostly(true, false),
    storeReachable: mostly(true, false),
    others: fc.oneof(mostly(1, 0), mostly(2, 0)),
    reached: mostly(0, 1),
    leads: fc.boolean(),
  })

  it('leaves only after the bound without a single peer, in the end always, and comes back within the longest absence', () => {
    fc.assert(
      fc.property(fc.array(look, { minLength: 5, maxLength: 60 }), fc.double({ min: 0, max: 1, noNaN: true }), (looks, jitter) => {
        const watch = new IsolationWatch({ isolationMs: ISOLATION_MS, jitter })
        let nowMs = 0
        let aloneSinceMs: number | undefined
        let leftAtMs: number | undefined
        for (const { afterMs, reached, ...rest } of looks) {
          nowMs += afterMs
          const reachable = Math.min(reached, rest.others)
          // A node that left has no session.
          const registered = leftAtMs === undefined && rest.registered
          const verdict = watch.look({ ...rest, registered, reachable, nowMs })
          if (leftAtMs !== undefined) {
            expect(verdict).not.toBe('leave')
            if (reachable > 0 || rest.others === 0 || nowMs - leftAtMs >= LONGEST_ABSENCE_MS) expect(verdict).toBe('return')
            else if (nowMs - leftAtMs < 2 * ISOLATION_MS) expect(verdict).toBe('stay')
            if (verdict === 'return') leftAtMs = undefined
            aloneSinceMs = undefined
            continue
          }
          expect(verdict).not.toBe('return')
          if (!registered || !rest.storeReachable || rest.others === 0 || reachable > 0) aloneSinceMs = undefined
          else aloneSinceMs ??= nowMs
          const aloneMs = aloneSinceMs === undefined ? undefined : nowMs - aloneSinceMs
          if (aloneMs === undefined || aloneMs < ISOLATION_MS) expect(verdict).toBe('stay')
          else if (aloneMs >= 2.25 * ISOLATION_MS) expect(verdict).toBe('leave')
          // Of two that lost each other, the one that does not lead is gone before the other could be.
          else if (rest.others === 1) {
            if (rest.leads && aloneMs < 2 * ISOLATION_MS) expect(verdict).toBe('stay')
            if (!rest.leads && aloneMs >= 1.25 * ISOLATION_MS) expect(verdict).toBe('leave')
          }
          if (verdict === 'leave') {
            leftAtMs = nowMs
            aloneSinceMs = undefined
          }
        }
      }),
      { numRuns: 500 },
    )
  })
})

describe('candidacy', () => {
  class FakeStore {
    readonly running = new Set<FakeCampaign>()
    readonly opened: FakeCampaign[] = []
    /** Giving up the key takes until the test says so. */
    slow = false

    campaign(_key: string, session: Session): Campaign {
      for (const other of this.running) if (other.session === session) throw new TypeError('the former campaign has not ended')
      const campaign = new FakeCampaign(this, session)
      this.running.add(campaign)
      this.opened.push(campaign)
      return campaign
    }
  }

  class FakeCampaign implements Campaign {
    readonly elected: Promise<Leadership>
    readonly session: Session
    readonly win: (leadership: Leadership) => void
    readonly fail: (error: Error) => void
    readonly #store: FakeStore
    hasWon = false
    isResigned = false

    constructor(store: FakeStore, session: Session) {
      this.#store = store
      this.session = session
      const { promise, resolve, reject } = Promise.withResolvers<Leadership>()
      this.elected = promise
      this.win = resolve
      this.fail = reject
    }

    async resign(): Promise<void> {
      if (!this.hasWon) this.fail(new ClosedError('withdrawn'))
      this.isResigned = true
      if (!this.#store.slow) this.#store.running.delete(this)
    }

    async [Symbol.asyncDispose](): Promise<void> {
      await this.resign()
    }
  }

  const event = fc.constantFrom(
    ...(['stand', 'withdraw', 'step-down', 'win', 'win', 'fail', 'key-gone', 'key-ours', 'slow', 'quick', 'wait', 'wait-long'] as const),
  )

  it('leads only with a session it stands with, is elected and deposed in turn, and stands again by itself', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 5, maxLength: 60 }), async (events) => {
        const runtime = new ManualRuntime()
        const store = new FakeStore()
        let standing: Session | undefined
        let leads: Leadership | undefined
        let versions = 0
        const candidacy = new Candidacy({
          runtime,
          store,
          key: 'leader',
          value: () => 'me',
          onElected: (leadership) => {
            expect(leads).toBeUndefined()
            expect(standing).toBeDefined()
            expect(store.opened.at(-1)?.session).toBe(standing)
            leads = leadership
          },
          onDeposed: () => {
            expect(leads).toBeDefined()
            leads = undefined
          },
          onError: () => {},
        })
        const settle = async (): Promise<void> => {
          if (!store.slow) for (const campaign of store.running) if (campaign.isResigned) store.running.delete(campaign)
          await runtime.settle()
        }
        for (const event of events) {
          const latest = store.opened.at(-1)
          const ours = leads?.version
          if (event === 'stand') {
            standing = { lost: new AbortController().signal } as Session
            candidacy.stand(standing)
            expect(leads).toBeUndefined()
          } else if (event === 'withdraw') {
            standing = undefined
            void candidacy.withdraw()
            expect(leads).toBeUndefined()
          } else if (event === 'step-down') {
            void candidacy.stepDown()
            expect(leads).toBeUndefined()
          } else if (event === 'win' && latest !== undefined && !latest.hasWon && !latest.isResigned && store.running.has(latest)) {
            latest.hasWon = true
            latest.win({ key: 'leader', version: String(++versions), token: versions })
          } else if (event === 'fail' && latest !== undefined && !latest.hasWon) {
            store.running.delete(latest)
            latest.fail(new Error('the store failed'))
          } else if (event === 'key-gone') {
            candidacy.keySeen(undefined)
            expect(leads).toBeUndefined()
          } else if (event === 'key-ours' && ours !== undefined) {
            candidacy.keySeen(ours)
            expect(leads?.version).toBe(ours)
          } else if (event === 'slow') store.slow = true
          else if (event === 'quick') store.slow = false
          else if (event === 'wait') await runtime.advanceAndSettle(300)
          else if (event === 'wait-long') await runtime.advanceAndSettle(3_000)
          const opened = store.opened.length
          await settle()
          expect(candidacy.leadership).toBe(leads)
          // Without a session nobody campaigns.
          if (standing === undefined) expect(store.opened.length).toBe(opened)
        }
        store.slow = false
        await settle()
        await runtime.advanceAndSettle(5_000)
        // Whatever happened: who has a session leads or stands, and nobody else does.
        expect([...store.running].map((campaign) => campaign.session)).toEqual(standing === undefined ? [] : [standing])
        await candidacy.withdraw()
      }),
      { numRuns: 150 },
    )
  })
})

describe('health', () => {
  const OUTAGE_MS = 1_000
  const event = fc.oneof(
    fc.record({ do: fc.constant('fails' as const), sinceMs: fc.integer({ min: 0, max: 300 }) }),
    fc.record({ do: fc.constant('answers' as const) }),
    fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 1_500 }) }),
    fc.record({ do: fc.constant('suspend' as const), suspended: fc.boolean() }),
    fc.record({ do: fc.constant('problem' as const), problem: fc.constantFrom(undefined, 'nobody leads', 'no connection to b') }),
  )

  it('tells of each outage and each change once, and remembers the end of long outages alone', () => {
    fc.assert(
      fc.property(fc.array(event, { maxLength: 80 }), (all) => {
        const runtime = new ManualRuntime()
        const events = new ClusterEvents((error) => {
          throw error
        })
        const told: string[] = []
        let last: { status: string; problems: string } = { status: 'ok', problems: '' }
        events.on('store-lost', () => told.push('lost'))
        events.on('store-regained', () => told.push('regained'))
        events.on('health-changed', ({ status, problems }) => {
          const now = { status, problems: problems.join('; ').replace(/\d+ ms/g, '') }
          expect(now).not.toEqual(last)
          last = now
        })
        let suspended = false
        let problem: string | undefined
        let lostAtMs: number | undefined
        let regainedAtMs = Number.NEGATIVE_INFINITY
        const health = new HealthMonitor({
          runtime,
          events,
          everyMs: 1_000,
          outageMs: OUTAGE_MS,
          ping: async () => 0,
          problems: () => (problem === undefined ? [] : [problem]),
          isSuspended: () => suspended,
          onLook: () => {},
        })
        for (const event of all) {
          const before = told.length
          if (event.do === 'fails') {
            const sinceMs = runtime.monotonicMs() - event.sinceMs
            health.storeFailed(new Error('away'), sinceMs)
            expect(told.slice(before)).toEqual(lostAtMs === undefined ? ['lost'] : [])
            lostAtMs ??= sinceMs
          } else if (event.do === 'answers') {
            health.storeAnswered()
            expect(told.slice(before)).toEqual(lostAtMs === undefined ? [] : ['regained'])
            if (lostAtMs !== undefined && runtime.monotonicMs() - lostAtMs >= OUTAGE_MS) regainedAtMs = runtime.leaseMs()
            lostAtMs = undefined
          } else if (event.do === 'pass') runtime.advance(event.ms)
          else {
            if (event.do === 'suspend') suspended = event.suspended
            else if (event.do === 'problem') problem = event.problem
            health.update()
          }
          const outageMs = lostAtMs === undefined ? 0 : runtime.monotonicMs() - lostAtMs
          expect([health.storeIsReachable, health.storeUnreachableForMs]).toEqual([lostAtMs === undefined, outageMs])
          expect(health.storeRegainedAtMs).toBe(outageMs >= OUTAGE_MS ? runtime.leaseMs() : regainedAtMs)
          health.update()
          expect(health.status).toBe(suspended ? 'suspended' : lostAtMs !== undefined || problem !== undefined ? 'degraded' : 'ok')
          expect(last.status).toBe(health.status)
          expect(health.problems.length).toBe((lostAtMs === undefined ? 0 : 1) + (problem === undefined ? 0 : 1))
        }
      }),
      { numRuns: 300 },
    )
  })
})
