// The same cluster on every store: its nodes killed, frozen, moved, and its store killed and frozen, in turn and under load. Failover in time, one owner at
// a time, nothing acknowledged is lost. The transport is TCP; every-transport.process.test.ts turns it round.

import { reasonToSkip } from '@cajun/backends'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { storeNames } from '../src/stores.ts'
import { AccountCluster, SESSION_TTL_MS } from './support/account-cluster.ts'
import { freezeOne, killOne, moveAround } from './support/node-trials.ts'
import { freezeStore, killStore } from './support/store-trials.ts'

for (const metadata of storeNames) {
  const reason = metadata === 'memory' ? undefined : await reasonToSkip(metadata)
  describe.skipIf(reason !== undefined)(`a cluster on ${metadata}${reason === undefined ? '' : ` (${reason})`}`, () => {
    let cluster: AccountCluster

    beforeAll(async () => {
      cluster = await AccountCluster.start({ nodes: ['node1', 'node2', 'node3'], choice: { metadata, messaging: 'tcp' } })
    })
    afterAll(async () => {
      await cluster?.[Symbol.asyncDispose]()
    })

    it.each(['owns and does not lead', 'leads'] as const)('replaces a killed node that %s, within the session TTL + 1 s', async (role) => {
      const failoverMs = await killOne(cluster, role)
      console.log(`${metadata}: failover of a killed node that ${role}: ${failoverMs} ms, session TTL ${SESSION_TTL_MS} ms`)
      expect(failoverMs).toBeLessThanOrEqual(SESSION_TTL_MS + 1_000)
    })

    it.each(['owns and does not lead', 'leads'] as const)(
      'is safe from a node that %s and was frozen beyond the session TTL: it fences itself before it runs another turn',
      (role) => freezeOne(cluster, role),
    )

    it('loses nothing and moves every state once, through a join, a migration there and back, an election and a drain', () =>
      moveAround(cluster))

    // The embedded store of these tests is part of their own process.
    describe.skipIf(metadata === 'memory')('whose store fails', () => {
      it('goes on while leases last when it is killed, says so, and takes up its restarted store', async () => {
        console.log(`${metadata}: well ${await killStore(cluster)} ms after the killed store answered again`)
      })

      it('suspends when it is frozen beyond the session TTL, and converges within two of them: nothing lost, nobody declared dead', async () => {
        console.log(`${metadata}: well ${await freezeStore(cluster)} ms after the frozen store went on`)
      })
    })
  })
}
