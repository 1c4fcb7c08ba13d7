// The demo: three operating-system processes, a few thousand actors, a steady stream of messages under each guarantee;
// one process is killed, one joins, one is drained, one actor is moved by hand. Ends with what was sent, handled, lost and
// duplicated, and exits with 1 when a promise was broken.

import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { audit, forkedLives, measureFailoverMs, ownersAtOnce } from './audit.ts'
import { progress, say, table } from './display.ts'
import { type LedgerEntry, readLedger } from './ledger.ts'
import type { LoadReport } from './load.ts'
import { NodeHandle } from './node-handle.ts'
import type { Moves } from './node-protocol.ts'

const SESSION_TTL_MS = 5_000
const ACTORS = 3_000
const MESSAGES_PER_SECOND = 1_000

const folder = await mkdtemp(join(tmpdir(), 'cajun-quickstart-'))
const running = new Set<NodeHandle>()
const ledgers: string[] = []
/** Shards and pinned actors that changed hands since node2 was killed. */
const moves = { arrived: 0, aborted: 0, failedOver: 0 }

async function startNode(nodeId: string, storeUrl?: string): Promise<NodeHandle> {
  const ledger = join(folder, `${nodeId}.ledger`)
  const node = await NodeHandle.start({
    nodeId,
    ledger,
    sessionTtlMs: SESSION_TTL_MS,
    // That a killed node can't be reached is what the demo is about.
    logLevel: 'error',
    ...(storeUrl === undefined ? {} : { storeUrl }),
  })
  running.add(node)
  ledgers.push(ledger)
  return node
}

/** Adds what a node has counted, or takes it off again. */
async function countMoves(node: NodeHandle, sign: 1 | -1): Promise<void> {
  const counted = await node.tell<Moves>({ do: 'moves' })
  moves.arrived += sign * counted.arrived
  moves.aborted += sign * counted.aborted
  moves.failedOver += sign * counted.failedOver
}

async function stopNode(node: NodeHandle): Promise<void> {
  await node.stop()
  running.delete(node)
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

/** Lets the stream flow for a while, showing it. */
async function flow(sender: NodeHandle, forMs: number, doing: string): Promise<void> {
  const until = Date.now() + forMs
  while (Date.now() < until) {
    const state = await sender.tell<{ sent: number; pending: number }>({ do: 'progress' })
    progress(`${doing}: ${state.sent.toLocaleString('en')} messages sent, ${state.pending.toLocaleString('en')} under way`)
    await pause(200)
  }
}

async function timed<T>(work: Promise<T>): Promise<{ readonly value: T; readonly ms: number }> {
  const from = performance.now()
  const value = await work
  return { value, ms: performance.now() - from }
}

function stopChildrenAndExit(code: number): void {
  for (const node of running) void node.kill()
  rmSync(folder, { recursive: true, force: true })
  process.exit(code)
}
process.once('SIGINT', () => stopChildrenAndExit(130))
process.once('SIGTERM', () => stopChildrenAndExit(143))

async function scenario(): Promise<boolean> {
  say(`Cajun quickstart: 3 processes, ${ACTORS.toLocaleString('en')} actors, embedded store, TCP; session TTL ${SESSION_TTL_MS} ms`)
  const node1 = await startNode('node1')
  const [node2, node3] = await Promise.all([startNode('node2', node1.storeUrl), startNode('node3', node1.storeUrl)])
  say(`node1 (pid ${node1.pid}, holds the store), node2 (pid ${node2.pid}), node3 (pid ${node3.pid}) are up`)

  await node1.tell({
    do: 'start-load',
    load: { actors: ACTORS, messagesPerSecond: MESSAGES_PER_SECOND, timeoutMs: 20_000 },
  })
  await flow(node1, 4_000, 'steady')

  // What moved while the cluster formed is not of interest.
  await Promise.all([countMoves(node1, -1), countMoves(node3, -1)])
  const killedAtMs = Date.now()
  await node2.kill()
  running.delete(node2)
  say('node2 was killed with SIGKILL')
  await flow(node1, SESSION_TTL_MS + 2_000, 'failing over')
  say("node2's actors run on node1 and node3")

  const joined = await timed(startNode('node4', node1.storeUrl))
  say(`node4 joined after ${Math.round(joined.ms)} ms; shards move to it`)
  await flow(node1, 5_000, 'rebalancing')

  const moved = 'a-1'
  const from = await node1.tell<string>({ do: 'where', actor: moved })
  const to = from === 'node3' ? 'node4' : 'node3'
  const before = await node1.tell<{ life: string }>({ do: 'balance', actor: moved })
  const migrated = await timed(node1.tell({ do: 'migrate', actor: moved, to }))
  const after = await node1.tell<{ life: string }>({ do: 'balance', actor: moved })
  const stateKept = before.life === after.life
  say(
    `account/${moved} was migrated by hand from ${from} to ${to} in ${Math.round(migrated.ms)} ms; its state ${stateKept ? 'went with it' : 'WAS LOST'}`,
  )
  await flow(node1, 1_000, 'steady')

  const drained = await timed(node1.tell({ do: 'drain', node: 'node3' }))
  await countMoves(node3, 1)
  await stopNode(node3)
  say(`node3 was drained in ${Math.round(drained.ms)} ms and stopped`)
  await flow(node1, 1_500, 'steady')

  say('the stream ends; waiting for what is under way')
  const reports = await node1.tell<LoadReport[]>({ do: 'finish-load' })
  await Promise.all([countMoves(joined.value, 1), countMoves(node1, 1)])
  await stopNode(joined.value)
  await stopNode(node1)
  return verdict(reports, killedAtMs, stateKept)
}

async function verdict(reports: readonly LoadReport[], killedAtMs: number, stateKept: boolean): Promise<boolean> {
  const byProcess = new Map<string, LedgerEntry[]>()
  for (const ledger of ledgers) byProcess.set(ledger, await readLedger(ledger))
  const entries = [...byProcess.values()].flat()
  const audits = reports.map((report) => audit(report.guarantee, report.messages, entries))

  const killed = byProcess.get(join(folder, 'node2.ledger')) ?? []
  const survivors = [...byProcess].filter(([path]) => !path.endsWith('node2.ledger')).flatMap(([, lines]) => lines)
  const exactlyOnce = reports.find((report) => report.guarantee === 'exactly-once')
  const failoverMs = measureFailoverMs(killedAtMs, new Set(killed.map((line) => line.actor)), exactlyOnce?.messages ?? [], survivors)

  const broken = audits.flatMap((one) => one.broken.map((promise) => `${one.guarantee}: ${promise}`))
  if (!stateKept) broken.push('migration: state was lost')
  const forked = forkedLives(entries)
  if (forked.length > 0) broken.push(`state: ${forked.length} actors ran twice on one state`)
  const twoOwners = ownersAtOnce(entries)
  if (twoOwners.length > 0) broken.push(`ownership: ${twoOwners.length} turns ran beside another owner, the first: ${twoOwners[0]}`)
  const failoverLimitMs = SESSION_TTL_MS + 1_000
  if (failoverMs === undefined) broken.push('failover: it could not be measured')
  else if (failoverMs > failoverLimitMs) broken.push(`failover: took ${failoverMs} ms, more than ${failoverLimitMs}`)

  const number = (value: number): string => value.toLocaleString('en')
  process.stdout.write('\n')
  process.stdout.write(
    `${table(
      ['guarantee', 'sent', 'handled', 'lost', 'duplicated', 'out of order', 'again after the crash'],
      audits.map((one) => [
        one.guarantee,
        number(one.sent),
        number(one.handled),
        number(one.lost),
        number(one.duplicated),
        number(one.outOfOrder),
        number(one.againAfterCrash),
      ]),
    )}\n`,
  )
  process.stdout.write(
    '\nlost: acknowledged and never handled; at-most-once: sent and never handled, which that guarantee allows.\n' +
      'duplicated: handled twice by one life of an actor; at-least-once allows it.\n' +
      'again after the crash: handled by memory that died with node2 before it could acknowledge, and then by the new owner.\n\n',
  )
  process.stdout.write(
    `failover: ${failoverMs ?? '?'} ms from SIGKILL to the last waiting message handled (session TTL ${SESSION_TTL_MS} ms, limit ${failoverLimitMs} ms)\n`,
  )
  process.stdout.write(
    `moves: ${moves.failedOver} shards failed over from node2; ${moves.arrived} handed over with their state (join, migration, drain), ${moves.aborted} aborted\n`,
  )
  for (const report of reports) {
    for (const [error, count] of report.errors) process.stdout.write(`${report.guarantee}: ${count} x ${error}\n`)
  }
  for (const promise of broken) process.stdout.write(`BROKEN  ${promise}\n`)
  process.stdout.write(broken.length === 0 ? 'Every promise was kept.\n' : `${broken.length} promises were broken.\n`)
  return broken.length === 0
}

try {
  const kept = await scenario()
  process.exitCode = kept ? 0 : 1
} catch (error) {
  say(`failed: ${error instanceof Error ? error.message : String(error)}`)
  process.exitCode = 1
} finally {
  await Promise.all([...running].map((node) => node.kill()))
  await rm(folder, { recursive: true, force: true })
}
