// `frames`: how fast the transports of sockets carry frames of several sizes, against a bare socket that carries the same bytes.

import type { BenchCase, BenchGroup, OpenGroup, Subject } from '../measure.ts'
import type { Work } from './subject.ts'
import { SubjectPair } from './subject-pair.ts'
import { prepareTransport } from './transports.ts'

const SUITE = 'frames'
const TRANSPORTS = ['tcp', 'websocket'] as const
const FRAMES: readonly { readonly bytes: number; readonly count: number }[] = [
  { bytes: 64, count: 4_000_000 },
  { bytes: 256, count: 2_000_000 },
  { bytes: 1_024, count: 800_000 },
  { bytes: 16_384, count: 80_000 },
  { bytes: 65_536, count: 24_000 },
  { bytes: 1_048_576, count: 1_500 },
]

const running =
  (pair: SubjectPair, work: Work): Subject =>
  async () => {
    const { throughput } = await pair.run(work)
    return { throughput: throughput / 1e6, frames: throughput / work.bytes }
  }

export const frameGroups: readonly BenchGroup[] = TRANSPORTS.flatMap((transport) =>
  FRAMES.map(({ bytes, count }): BenchGroup => {
    const name = `${transport}, ${bytes} B`
    return {
      suite: SUITE,
      cases: [name],
      warmUps: 1,
      runs: 5,
      async open(): Promise<OpenGroup> {
        const server = await prepareTransport(transport)
        const cajun = await SubjectPair.start('frames', { transport })
        const socket = await SubjectPair.start('socket-bytes', { transport })
        const work: Work = { do: 'frames', count: bytes * count, bytes }
        const bench: BenchCase = {
          suite: SUITE,
          case: name,
          metrics: { throughput: 'MB/s', frames: 'frames/s' },
          subjects: { cajun: running(cajun, work), socket: running(socket, work) },
        }
        return {
          cases: [bench],
          async close() {
            await Promise.all([cajun.close(), socket.close()])
            await server.close()
          },
        }
      },
    }
  }),
)
