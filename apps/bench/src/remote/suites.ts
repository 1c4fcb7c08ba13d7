// The remote suites, one for each transport: two processes, objects of three sizes, every guarantee. Counted at the receiver: a run whose
// messages did not all arrive, or arrived twice, fails.

import type { Guarantee } from '@cajun/core/adapter'
import type { BenchCase, BenchGroup, OpenGroup, Subject } from '../measure.ts'
import { guarantees } from './guarantees.ts'
import { type LazyPair, Pairs } from './pairs.ts'
import { PAYLOAD_BYTES } from './payloads.ts'
import { reconnectGroup } from './reconnect.ts'
import type { Work } from './subject.ts'
import { tlsGroups } from './tls.ts'
import { transportNames } from './transports.ts'

const LANES = [1, 64, 1_024] as const
const AWAITED: readonly { readonly name: string; readonly guarantee: Guarantee; readonly lanes: number }[] = [
  { name: 'awaited send 64 B, at-most-once', guarantee: 'at-most-once', lanes: 1 },
  { name: 'awaited send 64 B, exactly-once, 1024 producers', guarantee: 'exactly-once', lanes: 1_024 },
]
/** The size that has floors over a broker. */
const FLOORED_BYTES = 64
const RUNS = { warmUps: 2, runs: 5 } as const

/** How much one run of a transport does, so that it takes some 0.3 to 0.5 s. */
const SHARE: Readonly<Record<string, number>> = { tcp: 1, websocket: 1, rabbitmq: 0.3, kafka: 0.3 }

/** One after the other. So many that both processes have optimised all of their code in the warm-ups: with 3,000 an ask took a third longer. */
const ASKS_IN_TURN: Readonly<Record<string, number>> = { tcp: 10_000, websocket: 10_000, rabbitmq: 1_000, kafka: 1_000 }

const oneWayMetrics = { throughput: 'msg/s' } as const
const askMetrics = { throughput: 'asks/s', p50: 'µs', p99: 'µs' } as const

const running =
  (pair: LazyPair, work: Work): Subject =>
  async () => ({ ...(await (await pair()).run(work)) })

function oneWayCases(transport: string, pairs: Pairs, bytes: number): BenchCase[] {
  const count = Math.round((bytes > 512 ? 60_000 : bytes > 128 ? 120_000 : 200_000) * (SHARE[transport] as number))
  const work = (guarantee: Guarantee): Work => ({ do: 'oneway', count, bytes, guarantee })
  // Each of these runs once a round, and stands beside every guarantee.
  const floor = running(pairs.raw, { ...work('at-most-once'), count: count * 2 })
  const peer = running(pairs.moleculer, { ...work('at-most-once'), count: Math.round(count / 8) })
  const overTcp = pairs.tcp
  const brokerFloors = bytes === FLOORED_BYTES ? floorsOverBroker(pairs, work('at-most-once')) : {}
  return guarantees.map((guarantee) => ({
    suite: transport,
    case: `oneway ${bytes} B, ${guarantee}`,
    metrics: oneWayMetrics,
    subjects: {
      cajun: running(pairs.cajun, work(guarantee)),
      ...(overTcp === undefined ? {} : { 'cajun over tcp': running(overTcp, work(guarantee)) }),
      ...brokerFloors,
      raw: floor,
      moleculer: peer,
    },
  }))
}

/** A broker's floors confirm every packet, and can do no less. Where one message is one of the broker's, a tenth of them takes as long. */
function floorsOverBroker({ packed, oneEach }: Pairs, work: Work): BenchCase['subjects'] {
  if (packed === undefined || oneEach === undefined) return {}
  return {
    packed: running(packed, { ...work, count: work.count * 2 }),
    'one message each': running(oneEach, { ...work, count: Math.round(work.count / 4) }),
  }
}

function awaitedCases(transport: string, { cajun }: Pairs): BenchCase[] {
  const count = Math.round(100_000 * (SHARE[transport] as number))
  const bytes = 64
  const awaited = (name: string, guarantee: Guarantee, lanes: number): BenchCase => ({
    suite: transport,
    case: name,
    metrics: oneWayMetrics,
    subjects: {
      cajun: running(cajun, { do: 'awaited', count, bytes, guarantee, lanes }),
      'not awaited': running(cajun, { do: 'oneway', count, bytes, guarantee }),
    },
  })
  return AWAITED.map(({ name, guarantee, lanes }) => awaited(name, guarantee, lanes))
}

function askCases(transport: string, pairs: Pairs): BenchCase[] {
  const bytes = 64
  return LANES.map((lanes) => {
    const count = lanes === 1 ? (ASKS_IN_TURN[transport] as number) : Math.round(50_000 * (SHARE[transport] as number))
    const work: Work = { do: 'ask', count, bytes, lanes }
    return {
      suite: transport,
      case: `ask ${bytes} B, ${lanes} in flight`,
      metrics: askMetrics,
      subjects: {
        cajun: running(pairs.cajun, work),
        ...(pairs.tcp === undefined ? {} : { 'cajun over tcp': running(pairs.tcp, work) }),
        ...(lanes === 1 ? { socket: running(pairs.socket, work) } : {}),
        raw: running(pairs.raw, work),
        moleculer: running(pairs.moleculer, { ...work, count: lanes === 1 ? count : Math.round(count / 4) }),
      },
    }
  })
}

const roundTripName = (guarantee: Guarantee): string => `ask 64 B, ${guarantee}`

/** One ask at a time, under each guarantee. */
function roundTripCases(transport: string, { cajun }: Pairs): BenchCase[] {
  return guarantees.map((guarantee) => ({
    suite: transport,
    case: roundTripName(guarantee),
    metrics: askMetrics,
    subjects: {
      cajun: running(cajun, { do: 'ask', count: ASKS_IN_TURN[transport] as number, bytes: 64, lanes: 1, guarantee }),
    },
  }))
}

function group(transport: string, makeCases: (pairs: Pairs) => BenchCase[], cases: readonly string[]): BenchGroup {
  return {
    suite: transport,
    cases,
    ...RUNS,
    async open(): Promise<OpenGroup> {
      const pairs = await Pairs.over(transport)
      return { cases: makeCases(pairs), close: () => pairs.close() }
    },
  }
}

function groupsOf(transport: string): BenchGroup[] {
  return [
    ...PAYLOAD_BYTES.map((bytes) =>
      group(
        transport,
        (pairs) => oneWayCases(transport, pairs, bytes),
        guarantees.map((guarantee) => `oneway ${bytes} B, ${guarantee}`),
      ),
    ),
    group(
      transport,
      (pairs) => awaitedCases(transport, pairs),
      AWAITED.map(({ name }) => name),
    ),
    group(
      transport,
      (pairs) => askCases(transport, pairs),
      LANES.map((lanes) => `ask 64 B, ${lanes} in flight`),
    ),
    group(transport, (pairs) => roundTripCases(transport, pairs), guarantees.map(roundTripName)),
    reconnectGroup(transport),
  ]
}

export const remoteGroups: readonly BenchGroup[] = [...transportNames.flatMap(groupsOf), ...tlsGroups]
