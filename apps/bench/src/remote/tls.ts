// `tls`: what TLS and the shared secret that comes with it cost over loopback. Ours with it against ours without, on the same transport.

import type { BenchCase, BenchGroup, OpenGroup, Subject } from '../measure.ts'
import { makeCertificates } from './certificates.ts'
import type { Work } from './subject.ts'
import { SubjectPair } from './subject-pair.ts'

const SUITE = 'tls'
const TRANSPORTS = ['tcp', 'websocket'] as const
const ONE_WAY: Work = { do: 'oneway', count: 200_000, bytes: 64, guarantee: 'at-most-once' }
const ASK: Work = { do: 'ask', count: 5_000, bytes: 64, lanes: 1 }
const oneWayName = (transport: string): string => `${transport}, oneway 64 B, at-most-once`
const askName = (transport: string): string => `${transport}, ask 64 B, 1 in flight`

const running =
  (pair: SubjectPair, work: Work): Subject =>
  async () => ({ ...(await pair.run(work)) })

export const tlsGroups: readonly BenchGroup[] = TRANSPORTS.map((transport) => ({
  suite: SUITE,
  cases: [oneWayName(transport), askName(transport)],
  warmUps: 2,
  runs: 5,
  async open(): Promise<OpenGroup> {
    const certificates = await makeCertificates()
    const secure = await SubjectPair.start('cajun', { transport, certificates: certificates.folder })
    const plain = await SubjectPair.start('cajun', { transport })
    const subjects = (work: Work): BenchCase['subjects'] => ({ cajun: running(secure, work), 'without TLS': running(plain, work) })
    return {
      cases: [
        { suite: SUITE, case: oneWayName(transport), metrics: { throughput: 'msg/s' }, subjects: subjects(ONE_WAY) },
        { suite: SUITE, case: askName(transport), metrics: { throughput: 'asks/s', p50: 'µs', p99: 'µs' }, subjects: subjects(ASK) },
      ],
      async close() {
        await Promise.all([secure.close(), plain.close()])
        await certificates.close()
      },
    }
  },
}))
