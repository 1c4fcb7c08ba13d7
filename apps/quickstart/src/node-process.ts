// One node of the demo: an operating-system process of its own, told what to do by its parent over IPC.

import { ClusterActorSystem, ConsoleLogger } from '@cajun/core'
import { Account } from './account.ts'
import { openClients } from './deployment.ts'
import { openLedger } from './ledger.ts'
import { Load } from './load.ts'
import { hasJoined } from './member.ts'
import type { Command, Moves, NodeOptions } from './node-protocol.ts'

// A parent that is gone can't stop us any more; it may have gone while this file was loaded. Ctrl-C in a terminal reaches us too, and is for the parent.
process.on('disconnect', () => process.exit())
if (!process.connected) process.exit()
process.on('SIGINT', () => {})

const options = JSON.parse(process.argv[2] ?? '{}') as NodeOptions
openLedger(options.ledger)

const cluster = await ClusterActorSystem.start({
  clusterId: options.clusterId,
  nodeId: options.nodeId,
  ...(await openClients(options.deployment)),
  actors: [Account],
  ...(options.isClient === true ? { hosts: [] } : {}),
  sessionTtlMs: options.sessionTtlMs,
  // A Redis of which nothing is known may lose writes: good enough to be shown, and the first lines say which server it is.
  acceptUnfencedStore: !options.deployment.metadata.server.isOurs,
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
      load = new Load(cluster, command.load, load)
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
    case 'elect':
      return cluster.manager.forceElection()
    case 'health':
      return cluster.health()
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

process.send?.({ ready: true })
