// The driver's side of a subject: starts its two processes, has them do one run after another, and fails a run whose messages did not all arrive once.

import { type ChildProcess, fork } from 'node:child_process'
import type { ReceiverSetUp, Work } from './subject.ts'
import type { Answer, Command } from './subject-process.ts'

const WITHIN_MS = 60_000

export interface RunFigures {
  readonly throughput: number
  readonly p50?: number
  readonly p99?: number
}

export class SubjectPair {
  readonly name: string
  readonly #receiver: Side
  readonly #sender: Side
  #expectedInAll = 0

  private constructor(name: string, receiver: Side, sender: Side) {
    this.name = name
    this.#receiver = receiver
    this.#sender = sender
  }

  /** `senderVia`: as `setUp.via`, for the sending process. */
  static async start(name: string, setUp: ReceiverSetUp, senderVia?: ReceiverSetUp['via']): Promise<SubjectPair> {
    const receiver = new Side('receive', name, setUp)
    try {
      const { ready: contact } = await receiver.next('ready')
      const sender = new Side('send', name, { ...setUp, via: senderVia, contact })
      try {
        await sender.next('ready')
        return new SubjectPair(name, receiver, sender)
      } catch (error) {
        await sender.close()
        throw error
      }
    } catch (error) {
      await receiver.close()
      throw error
    }
  }

  /** From the start of sending until the last message was handled and, for asks, answered. */
  async run(work: Work): Promise<RunFigures> {
    this.#receiver.tell({ expect: work.count })
    const { expecting: before } = await this.#receiver.next('expecting')
    if (before !== this.#expectedInAll)
      throw new Error(`${this.name}: ${before} messages were handled where ${this.#expectedInAll} were sent`)
    this.#expectedInAll += work.count
    const begin = performance.now()
    this.#sender.tell({ work })
    const [{ sent }] = await Promise.all([this.#sender.next('sent'), this.#receiver.next('done')])
    const throughput = work.count / ((performance.now() - begin) / 1_000)
    return sent === null ? { throughput } : { throughput, p50: sent[0] as number, p99: sent[1] as number }
  }

  async close(): Promise<void> {
    await Promise.all([this.#sender.close(), this.#receiver.close()])
  }
}

class Side {
  readonly #what: string
  readonly #child: ChildProcess
  readonly #answers: Answer[] = []
  #wake: (() => void) | undefined
  #ended: string | undefined

  constructor(role: 'receive' | 'send', name: string, setUp: object) {
    this.#what = `${name} (${role === 'receive' ? 'receiving' : 'sending'} process)`
    this.#child = fork(new URL('./subject-process.ts', import.meta.url), [role, name, JSON.stringify(setUp)], {
      execArgv: ['--conditions=@cajun/source', '--disable-warning=ExperimentalWarning', '--expose-gc', ...profiling(role, name)],
    })
    this.#child.on('message', (answer: Answer) => {
      this.#answers.push(answer)
      this.#wake?.()
    })
    this.#child.once('exit', (code, signal) => {
      this.#ended = `ended (${signal ?? `exit code ${code}`})`
      this.#wake?.()
    })
  }

  tell(command: Command): void {
    this.#child.send(command)
  }

  /** The next answer, which must be of this sort. */
  async next<K extends string>(sort: K): Promise<Extract<Answer, Record<K, unknown>>> {
    const deadline = performance.now() + WITHIN_MS
    for (;;) {
      const answer = this.#answers.shift()
      if (answer !== undefined) {
        if (sort in answer) return answer as Extract<Answer, Record<K, unknown>>
        throw new Error(`${this.#what}: ${'failed' in answer ? answer.failed : `answered ${JSON.stringify(answer)} instead of ${sort}`}`)
      }
      if (this.#ended !== undefined) throw new Error(`${this.#what} ${this.#ended}`)
      const leftMs = deadline - performance.now()
      if (leftMs <= 0) throw new Error(`${this.#what} was not '${sort}' within ${WITHIN_MS / 1_000} s: messages were lost, or it hangs`)
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, leftMs)
        this.#wake = () => {
          clearTimeout(timer)
          resolve()
        }
      })
    }
  }

  async close(): Promise<void> {
    if (this.#ended !== undefined) return
    const exited = new Promise((resolve) => this.#child.once('exit', resolve))
    if (this.#child.connected) this.#child.disconnect()
    else this.#child.kill('SIGKILL')
    await exited
  }
}

/** `BENCH_PROFILE=<folder>`: each process leaves a CPU profile there. */
function profiling(role: string, name: string): readonly string[] {
  const folder = process.env['BENCH_PROFILE']
  return folder === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${folder}`, `--cpu-prof-name=${name}-${role}.cpuprofile`]
}
