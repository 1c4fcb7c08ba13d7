// How a node comes up and goes down: in order, bounded, and cleaning up after itself when a step of the way up fails.

import { ClosedError } from '../errors.ts'
import { requireCompatible } from './cluster-compatibility.ts'
import type { ClusterNode } from './cluster-node.ts'
import { requireStore } from './cluster-options.ts'
import type { HeldUnit } from './held-unit.ts'
import { pause, within } from './pause.ts'

/** Rejects with what was wrong, after everything that was opened on the way is closed again. */
export async function startNode(node: ClusterNode): Promise<void> {
  const { options, store } = node
  try {
    await store.open()
    requireStore(store.capabilities, options)
    node.storeId = await store.storeId()
    await requireCompatible(store, node.keys, options, node.protocol)
    const { address } = await options.messaging.start(node.local, node.process.handler)
    node.address = options.peers?.find((peer) => peer.nodeId === options.nodeId)?.address ?? address
    // Before this node is seen by others: what it is then given, it must see.
    await Promise.all([node.watches.placement.start(), node.watches.leader.start()])
    await node.session.start()
    await node.watches.nodes.start()
    // Once more, now that nobody can come in between: of two that join at the same time at least one sees the other.
    await requireCompatible(store, node.keys, options, node.protocol)
    node.health.start()
  } catch (error) {
    await stopNode(node, { drain: false })
    throw error
  }
}

/** Every step is taken, whatever the ones before it met. */
export async function stopNode(node: ClusterNode, how: { readonly drain: boolean }): Promise<void> {
  const { runtime, options } = node
  const step = async (what: string, work: () => void | Promise<void>): Promise<void> => {
    try {
      await within(runtime, Promise.resolve(work()), STEP_WITHIN_MS, () => new Error(`${what} did not end within ${STEP_WITHIN_MS} ms`))
    } catch (error) {
      node.logger.warn(`stopping: ${what}`, { error: error instanceof Error ? error.message : String(error) })
    }
  }
  if (how.drain && options.stopTimeoutMs > 0 && othersHost(node)) await drainBeforeStop(node)
  node.stopping = true
  node.host.isClosing = true
  await step('giving up leadership', () => node.candidacy.withdraw())
  await step('ending the leader', () => node.leader.close())
  await step('stopping actors', () => stopActors(node))
  await step('closing the registry', () => node.registry.close())
  node.waiters.close(new ClosedError('this node is stopping'))
  node.rpc.close()
  // Acknowledgements and last messages leave with the end of this turn of the event loop, while the lease still stands.
  await pause(runtime, 0)
  node.source.endAll()
  node.keeper.close('this node is stopping')
  await step('stopping background work', async () => {
    await Promise.all([
      node.health.stop(),
      ...Object.values(node.loops).map((loop) => loop.stop()),
      ...Object.values(node.watches).map((watch) => watch.close()),
    ])
  })
  await step('ending the session', () => node.session.close())
  await step('closing delivery', () => node.endpoint.close())
  node.host.close()
  await step('stopping the messaging system', () => options.messaging.stop())
  await step('closing the metadata store', () => node.store.close())
}

const STEP_WITHIN_MS = 5_000

function othersHost(node: ClusterNode): boolean {
  if (!node.session.leaseIsSafe()) return false
  for (const other of node.membership.nodes.values()) {
    if (other.processId === node.local.processId || other.draining) continue
    if (other.kinds.some((kind) => node.options.hosts.includes(kind))) return true
  }
  return false
}

async function drainBeforeStop(node: ClusterNode): Promise<void> {
  node.draining = true
  node.session.update()
  try {
    await node.waiters.until(
      () => node.unitsOf(node.local.nodeId) === 0,
      node.options.stopTimeoutMs,
      () => new Error('late'),
    )
  } catch {
    node.logger.warn('stopping before everything was handed over', { remaining: node.unitsOf(node.local.nodeId) })
  }
}

/**
 * Actors that nobody else can take over hear of the end (`onStop`), and what waits for them is refused. Where another node takes over, turns in
 * hand are waited for, and what waits is left to its senders, who send it to the new owner.
 */
async function stopActors(node: ClusterNode): Promise<void> {
  const handsOver = othersHost(node)
  const stop = async (held: HeldUnit): Promise<void> => {
    if (!handsOver && held.state === 'active') await held.table.stopAll('shutdown', 'shutdown')
    // Also when there was nobody to hand them to: the rest of the stop takes a while, and a message in it must not bring an actor to life afresh.
    await held.seal()
  }
  await Promise.all([...node.keeper.held()].map(stop))
}
