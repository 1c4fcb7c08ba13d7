// Both processes of a subject: `subject-process.ts receive|send <subject> <set-up as JSON>`, told what to do over IPC. Started by subject-pair.ts.

import type { RemoteSubject, Sending, Work } from './subject.ts'

export type Command = { readonly expect: number } | { readonly work: Work }
export type Answer =
  | { readonly ready: unknown }
  /** The receiver is set for the next run; so many messages came in all the runs before. */
  | { readonly expecting: number }
  | { readonly done: true }
  | { readonly sent: readonly number[] | null }
  | { readonly failed: string }

const [role, name, setUpText = '{}'] = process.argv.slice(2)
const answer = (what: Answer): void => void process.send?.(what)
const fail = (error: unknown): void => answer({ failed: error instanceof Error ? (error.stack ?? error.message) : String(error) })
const setUp = JSON.parse(setUpText)
const { subject } = (await import(`./subjects/${name}.ts`)) as { subject: RemoteSubject }

let seen = 0
let expected = Number.POSITIVE_INFINITY
let sending: Sending | undefined

function hit(count = 1): void {
  seen += count
  if (seen === expected) answer({ done: true })
}

async function run(command: Command): Promise<void> {
  globalThis.gc?.()
  if ('expect' in command) {
    const before = seen
    expected = seen + command.expect
    answer({ expecting: before })
  } else {
    const times = await sending?.(command.work)
    answer({ sent: times === undefined ? null : percentiles(times) })
  }
}

/** p50 and p99 in microseconds. */
function percentiles(times: Float64Array): readonly number[] {
  times.sort()
  return [0.5, 0.99].map((share) => (times[Math.min(times.length - 1, Math.floor(times.length * share))] as number) * 1_000)
}

process.on('message', (command: Command) => void run(command).catch(fail))
// The parent is gone: nobody waits for the rest.
process.on('disconnect', () => process.exit())
process.on('uncaughtException', fail)

try {
  const contact = role === 'receive' ? await subject.receive(setUp, hit) : undefined
  if (role === 'send') sending = await subject.send(setUp)
  answer({ ready: contact ?? null })
} catch (error) {
  fail(error)
}
