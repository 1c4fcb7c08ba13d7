// 200,000 messages under each guarantee through proxies that break, delay, lose, repeat and reorder: the promises over real sockets.

import { makeSchedule, SchedulePlayer } from '@cajun/fault-proxy'
import { describe, expect, it } from 'vitest'
import { audit, forkedLives, ownersAtOnce } from '../src/audit.ts'
import { AccountCluster } from './support/account-cluster.ts'

const MESSAGES = 200_000
const SEED = 20_261

describe('a network that drops connections, delays, loses, repeats and reorders', () => {
  it(`keeps every promise for ${MESSAGES} messages of each guarantee`, async () => {
    await using cluster = await AccountCluster.start({
      nodes: ['node1', 'node2', 'node3'],
      frameFaults: { seed: SEED, faults: { lose: 0.002, repeat: 0.02, reorder: 0.02 } },
    })
    const schedule = makeSchedule({ seed: SEED, proxies: cluster.proxies.length, lengthMs: 60_000, everyMs: 250, longestMs: 400 })
    const player = new SchedulePlayer(cluster.proxies, schedule)
    await cluster.startLoad({ actors: 1_000, messagesPerSecond: 8_000, timeoutMs: 60_000, limit: MESSAGES })
    await cluster.sent(3 * MESSAGES)
    player.stop()
    const reports = await cluster.finishLoad()

    const entries = [...(await cluster.ledgers()).values()].flat()
    const audits = reports.map((report) => audit(report.guarantee, report.messages, entries))
    const disturbed = cluster.proxies.map((proxy) => proxy.report)
    console.log(JSON.stringify({ audits, errors: reports.map((report) => report.errors), played: player.played.length, disturbed }))
    for (const one of audits) {
      expect(one.broken, one.guarantee).toEqual([])
      expect(one.sent).toBe(MESSAGES)
      expect(one.againAfterCrash, 'nobody crashed').toBe(0)
      if (one.guarantee !== 'at-most-once') expect(one.acknowledged).toBe(MESSAGES)
    }
    expect(forkedLives(entries)).toEqual([])
    expect(ownersAtOnce(entries)).toEqual([])
    // The faults really happened.
    expect(player.played.length).toBeGreaterThan(20)
    expect(disturbed.reduce((sum, report) => sum + report.dropped, 0)).toBeGreaterThan(10)
    expect(
      disturbed.reduce((sum, report) => sum + report.brokenMidway, 0),
      'in the middle of a frame',
    ).toBeGreaterThan(0)
    expect(disturbed.reduce((sum, report) => sum + report.delays + report.holds, 0)).toBeGreaterThan(10)
    expect(disturbed.reduce((sum, report) => sum + report.repeatedFrames, 0)).toBeGreaterThan(100)
    expect(disturbed.reduce((sum, report) => sum + report.reorderedFrames, 0)).toBeGreaterThan(10)
  }, 240_000)
})
