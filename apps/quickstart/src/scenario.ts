// What happens in the demo: three processes under a steady stream of messages; one is killed, one joins, one actor is moved by hand, one process is
// drained.

import { randomUUID } from 'node:crypto'
import type { Deployment } from './deployment.ts'
import { progress, say } from './display.ts'
import type { LoadReport } from './load.ts'
import type { NodeHandle } from './node-handle.ts'
import type { NodeProcesses } from './node-processes.ts'
import type { Moves } from './node-protocol.ts'
import type { Observations } from './verdict.ts'

export const SESSION_TTL_MS = 5_000
export const ACTORS = 3_000
const MESSAGES_PER_SECOND = 1_000

export async function play(deployment: Deployment, processes: NodeProcesses): Promise<Observations> {
  // A server that is not ours may hold what an earlier demo left.
  const clusterId = `quickstart-${randomUUID().slice(0, 8)}`
  const start = (nodeId: string): Promise<NodeHandle> =>
    // Errors only: that a killed node can't be reached is what the demo is about.
    processes.start({ nodeId, clusterId, deployment: deployment.description, sessionTtlMs: SESSION_TTL_MS, logLevel: 'error' })

  const [node1, node2, node3] = await Promise.all([start('node1'), start('node2'), start('node3')])
  say(`node1 (pid ${node1.pid}), node2 (pid ${node2.pid}), node3 (pid ${node3.pid}) are up`)
  await node1.tell({
    do: 'start-load',
    load: { actors: ACTORS, messagesPerSecond: MESSAGES_PER_SECOND, timeoutMs: 20_000 },
  })
  await flow(node1, 4_000, 'steady')

  // What moved while the cluster formed is not of interest.
  const before = await countMoves(node1, node3)
  const killed = { nodeId: 'node2', atMs: Date.now() }
  await node2.kill()
  say('node2 was killed with SIGKILL')
  await flow(node1, SESSION_TTL_MS + 2_000, 'failing over')
  say("node2's actors run on node1 and node3")

  const { value: node4, ms: joinMs } = await timed(start('node4'))
  say(`node4 joined after ${Math.round(joinMs)} ms; shards move to it`)
  await flow(node1, 5_000, 'rebalancing')

  const stateKept = await migrateByHand(node1, 'a-1')
  await flow(node1, 1_000, 'steady')

  const { ms: drainMs } = await timed(node1.tell({ do: 'drain', node: 'node3' }))
  const ofNode3 = await countMoves(node3)
  await node3.stop()
  say(`node3 was drained in ${Math.round(drainMs)} ms and stopped`)
  await flow(node1, 1_500, 'steady')

  say('the stream ends; waiting for what is under way')
  const reports = await node1.tell<LoadReport[]>({ do: 'finish-load' })
  const moves = subtract(add(ofNode3, await countMoves(node1, node4)), before)
  await node4.stop()
  await node1.stop()
  return { reports, ledgers: await processes.ledgers(), killed, sessionTtlMs: SESSION_TTL_MS, moves, stateKept }
}

/** To the other of node3 and node4, or from node1 to node3. Resolves to whether its state went with it. */
async function migrateByHand(node1: NodeHandle, actor: string): Promise<boolean> {
  const from = await node1.tell<string>({ do: 'where', actor })
  const to = from === 'node3' ? 'node4' : 'node3'
  const before = await node1.tell<{ life: string }>({ do: 'balance', actor })
  const { ms } = await timed(node1.tell({ do: 'migrate', actor, to }))
  const after = await node1.tell<{ life: string }>({ do: 'balance', actor })
  const stateKept = before.life === after.life
  say(
    `account/${actor} was migrated by hand from ${from} to ${to} in ${Math.round(ms)} ms; its state ${stateKept ? 'went with it' : 'WAS LOST'}`,
  )
  return stateKept
}

async function countMoves(...nodes: readonly NodeHandle[]): Promise<Moves> {
  const counted = await Promise.all(nodes.map((node) => node.tell<Moves>({ do: 'moves' })))
  return counted.reduce(add)
}

function add(a: Moves, b: Moves): Moves {
  return { arrived: a.arrived + b.arrived, aborted: a.aborted + b.aborted, failedOver: a.failedOver + b.failedOver }
}

function subtract(a: Moves, b: Moves): Moves {
  return add(a, { arrived: -b.arrived, aborted: -b.aborted, failedOver: -b.failedOver })
}

/** Lets the stream flow for a while, showing it. */
async function flow(sender: NodeHandle, forMs: number, doing: string): Promise<void> {
  const until = Date.now() + forMs
  while (Date.now() < until) {
    const state = await sender.tell<{ sent: number; pending: number }>({ do: 'progress' })
    progress(`${doing}: ${state.sent.toLocaleString('en')} messages sent, ${state.pending.toLocaleString('en')} under way`)
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
}

async function timed<T>(work: Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const from = performance.now()
  const value = await work
  return { value, ms: performance.now() - from }
}
