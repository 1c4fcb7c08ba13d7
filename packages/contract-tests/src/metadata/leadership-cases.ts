// Promises 19 to 22: elections and fencing tokens.

import assert from 'node:assert/strict'
import type { Campaign, Leadership, MetadataStore, Session } from '@cajun/core/adapter'
import type { StoreContext } from './context.ts'
import type { StoreCase } from './run.ts'
import { without, withoutIsolation } from './skips.ts'
import { written } from './written.ts'

/** A candidate with a session of its own; `won` once it was told that it leads. */
interface Candidate {
  readonly name: string
  readonly session: Session
  readonly campaign: Campaign
  won: Leadership | undefined
}

async function stand(context: StoreContext, store: MetadataStore, name: string, ttlMs = context.ttlMs): Promise<Candidate> {
  const session = await store.openSession({ ttlMs })
  const candidate: Candidate = { name, session, campaign: store.campaign(context.key('leader'), session, name), won: undefined }
  candidate.campaign.elected.then(
    (leadership) => {
      candidate.won = leadership
    },
    () => {},
  )
  return candidate
}

function withoutFencing({ capabilities }: StoreContext): string | undefined {
  return capabilities.fencing ? undefined : 'the store does not claim to fence'
}

const PATIENCE_MS = 5_000

export const leadershipCases: readonly StoreCase[] = [
  {
    number: 19,
    title: 'of six candidates exactly one leads at any time, and the key names it',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const candidates = await Promise.all(
        Array.from({ length: 6 }, (_, at) => stand(context, at % 2 === 0 ? store : peer, `candidate ${at}`, 10_000)),
      )
      const resigned = new Set<Candidate>()
      for (let round = 0; round < 6; round++) {
        const leading = (): Candidate[] => candidates.filter((candidate) => candidate.won !== undefined && !resigned.has(candidate))
        await context.eventually(PATIENCE_MS, () => assert.equal(leading().length, 1, `${leading().length} candidates lead`))
        await context.sleep(30)
        const [leader, ...others] = leading()
        assert.deepEqual(
          others.map((other) => other.name),
          [],
          'leads as well',
        )
        const entry = await peer.get(context.key('leader'))
        assert.equal(entry?.value, leader?.name)
        assert.equal(entry?.version, leader?.won?.version)
        assert.equal(leader?.won?.key, context.key('leader'))
        resigned.add(leader as Candidate)
        await leader?.campaign.resign()
      }
      assert.equal(await peer.get(context.key('leader')), undefined)
    },
  },
  {
    number: 19,
    title: 'a candidate that lost its session or withdrew is never told that it leads',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const leader = await stand(context, peer, 'leader', 10_000)
      await context.within(PATIENCE_MS, 'the first election', leader.campaign.elected)
      const waiting = await stand(context, store, 'waiting')
      const withdrawn = await stand(context, store, 'withdrawn')
      await context.sleep(30)
      await withdrawn.campaign.resign()
      await withdrawn.campaign.resign()
      assert.equal((await context.rejection(1_000, 'a withdrawn candidacy', withdrawn.campaign.elected)).code, 'CLOSED')
      await waiting.session.close()
      assert.equal((await context.rejection(1_000, 'a candidacy without a session', waiting.campaign.elected)).code, 'SESSION_LOST')
      await leader.campaign.resign()
      await context.sleep(2 * context.ttlMs)
      assert.equal(waiting.won, undefined)
      assert.equal(await peer.get(context.key('leader')), undefined)
    },
  },
  {
    number: 20,
    title: 'tokens grow strictly from leader to leader, however a leadership ends',
    skip: withoutFencing,
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const tokens: number[] = []
      for (let round = 0; round < 9; round++) {
        const candidate = await stand(context, round % 2 === 0 ? store : peer, `leader ${round}`)
        tokens.push((await context.within(PATIENCE_MS, 'the election', candidate.campaign.elected)).token)
        if (round % 3 === 0) await candidate.campaign.resign()
        else if (round % 3 === 1) await candidate.session.close()
        else await peer.delete(context.key('leader'))
      }
      for (const [at, token] of tokens.entries()) {
        assert.ok(Number.isSafeInteger(token))
        if (at > 0) assert.ok(token > (tokens[at - 1] as number), `token ${token} follows ${tokens[at - 1]}`)
      }
    },
  },
  ...(['frozen', 'killed'] as const).map(
    (how): StoreCase => ({
      number: 20,
      title: `tokens grow strictly when the server was ${how} in between`,
      skip: (context) => withoutFencing(context) ?? without(how)(context),
      async run(context) {
        const store = await context.open()
        const former = await stand(context, store, 'before')
        const before = await context.within(PATIENCE_MS, 'the election', former.campaign.elected)
        await context.harness.interrupt?.(how)
        // By the TTL that was granted: a session that outlives the interruption leads on, and rightly so.
        await context.sleep(2 * former.session.ttlMs)
        await context.harness.restore?.()
        await context.recovered(store, PATIENCE_MS)
        const next = await stand(context, store, 'after')
        const after = await context.within(PATIENCE_MS + former.session.ttlMs, 'the election afterwards', next.campaign.elected)
        assert.ok(after.token > before.token, `token ${after.token} follows ${before.token}`)
      },
    }),
  ),
  {
    number: 21,
    title: 'a waiting candidate is elected when the leader resigns, and when its session closes',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const first = await stand(context, store, 'first', 20_000)
      await context.within(PATIENCE_MS, 'the first election', first.campaign.elected)
      const second = await stand(context, peer, 'second', 20_000)
      await context.sleep(50)
      await first.campaign.resign()
      await context.within(1_000, 'the election after a resignation', second.campaign.elected)
      const third = await stand(context, store, 'third', 20_000)
      await context.sleep(50)
      await second.session.close()
      await context.within(1_000, "the election after the end of the leader's session", third.campaign.elected)
      assert.equal((await peer.get(context.key('leader')))?.value, 'third')
    },
  },
  {
    number: 21,
    title: 'a waiting candidate is elected when the leader is cut off',
    skip: withoutIsolation,
    async run(context) {
      const [store, peer] = await Promise.all([context.openHasty(), context.openPeer()])
      const leader = await stand(context, store, 'leader')
      await context.within(PATIENCE_MS, 'the first election', leader.campaign.elected)
      const waiting = await stand(context, peer, 'waiting')
      await context.isolate('both')
      await context.within(leader.session.ttlMs + 1_000 + waiting.session.ttlMs, 'the election', waiting.campaign.elected)
      assert.ok(context.runtime.leaseMs() >= leader.session.safeUntil(), 'it leads while the former leader may still believe that it does')
    },
  },
  {
    number: 21,
    title: 'one session can stand again after it resigned, and not twice at once',
    async run(context) {
      const store = await context.open()
      const { campaign, session } = await stand(context, store, 'once', 10_000)
      const first = await context.within(PATIENCE_MS, 'the election', campaign.elected)
      assert.throws(() => store.campaign(context.key('leader'), session, 'twice'), TypeError)
      await campaign.resign()
      const again = store.campaign(context.key('leader'), session, 'again')
      assert.ok((await context.within(PATIENCE_MS, 'the second election', again.elected)).token > first.token)
      assert.equal((await store.get(context.key('leader')))?.value, 'again')
    },
  },
  {
    number: 22,
    title: 'after the end of a leadership its guarded writes are refused',
    async run(context) {
      const [store, peer] = await Promise.all([context.open(), context.openPeer()])
      const key = context.key('k')
      for (const how of ['resign', 'close', 'delete'] as const) {
        const old = await stand(context, store, 'same name', 10_000)
        const { key: leaderKey, version } = await context.within(PATIENCE_MS, 'the election', old.campaign.elected)
        const guard = { key: leaderKey, version }
        await written(store.put(key, `while leading (${how})`, { guard }))
        if (how === 'resign') await old.campaign.resign()
        else if (how === 'close') await old.session.close()
        else await peer.delete(context.key('leader'))
        assert.deepEqual(await store.put(key, 'too late', { guard }), { ok: false, conflict: 'guard' })
        const next = await stand(context, peer, 'same name', 10_000)
        await context.within(PATIENCE_MS, 'the next election', next.campaign.elected)
        assert.deepEqual(await store.put(key, 'too late', { guard }), { ok: false, conflict: 'guard' })
        assert.deepEqual(await store.putAll([{ key, value: 'too late' }], { guard }), { ok: false, written: 0, conflict: 'guard' })
        assert.deepEqual(await store.delete(key, { guard }), { ok: false, conflict: 'guard' })
        assert.equal((await peer.get(key))?.value, `while leading (${how})`)
        await next.campaign.resign()
      }
    },
  },
  {
    number: 22,
    title: 'the writes of a leader that was cut off are refused when it comes back',
    skip: withoutIsolation,
    async run(context) {
      const [store, peer] = await Promise.all([context.openHasty(), context.openPeer()])
      const old = await stand(context, store, 'old')
      const { key, version } = await context.within(PATIENCE_MS, 'the election', old.campaign.elected)
      await context.isolate('both')
      const next = await stand(context, peer, 'next')
      await context.within(old.session.ttlMs + 1_000 + next.session.ttlMs, 'the next election', next.campaign.elected)
      await written(peer.put(context.key('k'), 'next'))
      await context.heal()
      await context.recovered(store, 2_000)
      assert.deepEqual(await store.put(context.key('k'), 'old', { guard: { key, version } }), { ok: false, conflict: 'guard' })
      assert.equal((await peer.get(context.key('k')))?.value, 'next')
    },
  },
]
