// A host of the cluster suites: `node-process.ts <node id> <store> <its url> <session TTL>`. Lives as long as its parent, unless that kills it.

import { ClusterActorSystem, ConsoleLogger } from '@cajun/core'
import { TcpMessagingSystem } from '@cajun/messaging-tcp'
import { sharedStore } from '../stores/stores.ts'
import { Counter } from './counter.ts'

const [nodeId = '', store = '', url = '', ttl] = process.argv.slice(2)

await ClusterActorSystem.start({
  clusterId: 'bench',
  nodeId,
  metadata: sharedStore(store).client(url),
  acceptUnfencedStore: true,
  messaging: new TcpMessagingSystem({ port: 0 }),
  actors: [Counter],
  strict: false,
  sessionTtlMs: Number(ttl),
  logger: new ConsoleLogger('error'),
})
process.on('disconnect', () => process.exit())
process.send?.('ready')
