// One node of the demo: an operating-system process of its own, told what to do by its parent over IPC.

import { ClusterActorSystem, ConsoleLogger } from '@cajun/core'
import { TcpMessagingSystem } from '@cajun/messaging-tcp'
import { MemoryMetadataServer, MemoryMetadataStore } from '@cajun/metadata-memory'
import { Account } from './account.ts'
import { openLedger } from './ledger.ts'
import { Load } from './load.ts'
import { hasJoined } from './member.ts'
import type { Command, Moves, NodeOptions } from './node-protocol.ts'

const options = JSON.parse(process.argv[2] ?? '{}') as NodeOptions
openLedger(options.ledger)

// One process of the demo holds the embedded store; the others reach it over loopback.
const store = options.storeUrl === undefined ? await MemoryMetadataServer.start() : undefined
const url = options.storeUrl ?? store?.url ?? ''
const metadata = new MemoryMetadataStore(store === undefined ? { url } : { database: store.database })

const cluster = await ClusterActorSystem.start({
  clusterId: 'quickstart',
  nodeId: options.nodeId,
  metadata,
  messaging: new TcpMessagingSystem(options.via ?? { port: 0 }),
  actors: [Account],
  ...(options.isClient === true ? { hosts: [] } : {}),
  sessionTtlMs: options.sessionTtlMs,
  logger: new ConsoleLogger(options.logLevel),
})

hasJoined(cluster)

let load: Load | undefined

let arrived = 0
cluster.events.on('handoff-finished', ({ role }) => {
  if (role === 'target') arrived++
})

async function run(command: Command): Promise<unknown> {
  switch (command.do) {
    case 'start-load':
      load = new Load(cluster, command.load)
      load.start()
      return undefined
    case 'progress':
      return load?.progress()
    case 'finish-load':
      return load?.finish()
    case 'where':
      return (await cluster.manager.whereIs(Account, command.actor)).nodeId
    case 'migrate':
      return cluster.manager.migrate(Account, command.actor, command.to)
    case 'drain':
      return cluster.manager.drain(command.node)
    case 'nodes':
      return cluster.manager.nodes()
    case 'balance':
      return cluster.ref(Account, command.actor).ask('balance')
    case 'moves': {
      const { handoffs, failovers } = cluster.metrics()
      return { arrived, aborted: handoffs.aborted, failedOver: failovers.units } satisfies Moves
    }
    case 'stop':
      await cluster.stop()
      await store?.close()
      // Replies over IPC are written before the channel closes; nothing else holds the process.
      setImmediate(() => process.disconnect())
      return undefined
  }
}

process.on('message', (message: { readonly id: number; readonly command: Command }) => {
  run(message.command).then(
    (value) => process.send?.({ id: message.id, value }),
    (error: unknown) => process.send?.({ id: message.id, error: String(error) }),
  )
})
// A parent that is gone can't stop us any more.
process.on('disconnect', () => process.exit())

process.send?.({ ready: { storeUrl: url } })
