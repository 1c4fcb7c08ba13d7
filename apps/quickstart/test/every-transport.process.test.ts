// The same cluster over every transport, on the embedded store: a node killed, one joined and drained, and then 200,000 messages under each guarantee
// through proxies that drop connections in the middle of frames, hold and delay; on TCP they lose, repeat and reorder whole frames too, and a broker
// is killed and restarted on top.

import { reasonToSkip } from '@cajun/backends'
import { makeSchedule, SchedulePlayer } from '@cajun/fault-proxy'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { audit } from '../src/audit.ts'
import { transportNames, transports } from '../src/transports.ts'
import { AccountCluster, SESSION_TTL_MS } from './support/account-cluster.ts'
import { expectOneLifeEach, expectPromisesKept, recordOf } from './support/judged-load.ts'
import { killOne, moveAround } from './support/node-trials.ts'
import { pause } from './support/until.ts'

const MESSAGES = 200_000
const SEED = 20_261
const FRAME_FAULTS = { lose: 0.01, repeat: 0.02, reorder: 0.02 }

for (const messaging of transportNames) {
  const reason = transports[messaging].broker === undefined ? undefined : await reasonToSkip(messaging as 'rabbitmq')
  describe.skipIf(reason !== undefined)(`a cluster over ${messaging}${reason === undefined ? '' : ` (${reason})`}`, () => {
    let cluster: AccountCluster

    beforeAll(async () => {
      cluster = await AccountCluster.start({
        nodes: ['node1', 'node2', 'node3'],
        choice: { metadata: 'memory', messaging },
        proxied: { seed: SEED, ...(messaging === 'tcp' ? { frames: FRAME_FAULTS } : {}) },
      })
    })
    afterAll(async () => {
      await cluster?.[Symbol.asyncDispose]()
    })

    it('replaces a killed node within the session TTL + 1 s', async () => {
      const failoverMs = await killOne(cluster, 'owns and does not lead')
      console.log(`${messaging}: failover of a killed node: ${failoverMs} ms, session TTL ${SESSION_TTL_MS} ms`)
      expect(failoverMs).toBeLessThanOrEqual(SESSION_TTL_MS + 1_000)
    })

    it('loses nothing and moves every state once, through a join, a migration there and back, an election and a drain', () =>
      moveAround(cluster))

    it(`keeps every promise for ${MESSAGES} messages of each guarantee through a network that fails`, async () => {
      await cluster.settled()
      const schedule = makeSchedule({ seed: SEED, proxies: cluster.proxies.length, lengthMs: 60_000, everyMs: 250, longestMs: 400 })
      for (const proxy of cluster.proxies) proxy.disturb()
      const player = new SchedulePlayer(cluster.proxies, schedule)
      await cluster.startLoad({ actors: 1_000, messagesPerSecond: 8_000, timeoutMs: 60_000, limit: MESSAGES })
      const broker = cluster.deployment.broker?.backend
      if (broker !== undefined) {
        await cluster.sent(MESSAGES)
        await broker.kill()
        await pause(500)
        await broker.restart()
      }
      await cluster.sent(3 * MESSAGES)
      player.stop()
      const record = await recordOf(cluster)

      const disturbed = cluster.proxies.map((proxy) => proxy.report)
      const audits = record.reports.map((report) => audit(report.guarantee, report.messages, record.entries))
      console.log(
        messaging,
        JSON.stringify({ audits, errors: record.reports.map((report) => report.errors), played: player.played.length }),
      )
      expectPromisesKept(record)
      expectOneLifeEach(record)
      for (const one of audits) {
        expect(one.sent).toBe(MESSAGES)
        // Without a guarantee most still arrive.
        expect(one.handled).toBeGreaterThan(MESSAGES / 4)
      }
      // The faults really happened.
      const total = (name: keyof (typeof disturbed)[number]): number => disturbed.reduce((sum, report) => sum + report[name], 0)
      expect(player.played.length).toBeGreaterThan(20)
      expect(total('dropped')).toBeGreaterThan(10)
      expect(total('brokenMidway'), 'in the middle of a frame').toBeGreaterThan(0)
      expect(total('delays') + total('holds')).toBeGreaterThan(10)
      if (messaging === 'tcp') {
        expect(total('lostFrames')).toBeGreaterThan(5)
        expect(total('repeatedFrames')).toBeGreaterThan(100)
        expect(total('reorderedFrames')).toBeGreaterThan(10)
      }
    }, 240_000)
  })
}
