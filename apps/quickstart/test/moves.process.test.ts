// Joining, draining and migrating under load: nothing lost, nothing twice, and every actor keeps its one life.

import { describe, expect, it } from 'vitest'
import { audit, forkedLives, ownersAtOnce } from '../src/audit.ts'
import { AccountCluster } from './support/account-cluster.ts'

describe('planned moves under load', () => {
  it('loses nothing and moves every state once, through a join, a migration there and back, and a drain', async () => {
    await using cluster = await AccountCluster.start({ nodes: ['node1', 'node2'] })
    await cluster.startLoad({ actors: 500, messagesPerSecond: 1_000, timeoutMs: 30_000 })
    await cluster.sent(4_500)

    await cluster.add('node3')
    await cluster.sent(12_000)

    const from = await cluster.client.tell<string>({ do: 'where', actor: 'a-1' })
    const to = [...cluster.nodes.keys()].find((nodeId) => nodeId !== from) ?? ''
    await cluster.client.tell({ do: 'migrate', actor: 'a-1', to })
    expect(await cluster.client.tell<string>({ do: 'where', actor: 'a-1' })).toBe(to)
    await cluster.client.tell({ do: 'migrate', actor: 'a-1', to: from })
    expect(await cluster.client.tell<string>({ do: 'where', actor: 'a-1' })).toBe(from)

    await cluster.client.tell({ do: 'drain', node: 'node2' })
    await cluster.node('node2').stop()
    const drainedAtMs = Date.now()
    await cluster.sent(24_000)
    const reports = await cluster.finishLoad()

    const ledgers = await cluster.ledgers()
    const entries = [...ledgers.values()].flat()
    for (const report of reports) {
      const result = audit(report.guarantee, report.messages, entries)
      expect(result.broken, JSON.stringify({ ...result, errors: report.errors })).toEqual([])
      expect(result.againAfterCrash, 'nobody crashed').toBe(0)
      if (report.guarantee !== 'at-most-once') expect(result.acknowledged).toBe(result.sent)
    }
    const lives = new Map<string, Set<string>>()
    for (const entry of entries) lives.set(entry.actor, (lives.get(entry.actor) ?? new Set()).add(entry.life))
    expect([...lives].filter(([, all]) => all.size > 1)).toEqual([])
    expect(forkedLives(entries)).toEqual([])
    expect(ownersAtOnce(entries)).toEqual([])
    // They really moved: the joined node ran turns, the drained one none any more.
    expect(ledgers.get('node3')?.length).toBeGreaterThan(500)
    expect(ledgers.get('node2')?.filter((entry) => entry.handledAtMs > drainedAtMs)).toEqual([])
  })
})
