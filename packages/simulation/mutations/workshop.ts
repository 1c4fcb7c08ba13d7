// A copy of core and of the simulation beside each other in a temporary directory, where one bug at a time is planted; and the process that runs
// seeds there.

import { type ChildProcess, fork } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Mutation, mutate } from './mutation.ts'
import type { Task, Verdict } from './seed-runner.ts'

const packages = new URL('../../', import.meta.url).pathname

/** It ended, or was ended, instead of answering. */
export class RunnerFailedError extends Error {
  override readonly name = 'RunnerFailedError'
}

export class Workshop implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'cajun-mutants-'))
  #runner: ChildProcess | undefined
  #errors = ''

  constructor() {
    for (const name of ['core', 'simulation']) {
      for (const part of ['src', 'package.json', ...(name === 'simulation' ? ['mutations'] : [])]) {
        cpSync(join(packages, name, part), join(this.directory, name, part), { recursive: true })
      }
    }
    mkdirSync(join(this.directory, 'node_modules/@cajun'), { recursive: true })
    symlinkSync(join(this.directory, 'core'), join(this.directory, 'node_modules/@cajun/core'))
  }

  /** Returns what takes it out again. */
  plant({ id, edits }: Mutation): () => void {
    const before = new Map<string, string>()
    const uproot = (): void => {
      this.#endRunner()
      for (const [path, source] of before) writeFileSync(path, source)
    }
    this.#endRunner()
    try {
      for (const edit of edits) {
        const path = join(this.directory, 'core/src', edit.file)
        const source = readFileSync(path, 'utf8')
        if (!before.has(path)) before.set(path, source)
        writeFileSync(path, mutate(source, edit, id))
      }
    } catch (error) {
      uproot()
      throw error
    }
    return uproot
  }

  /** In the core that stands here now. Rejects with `RunnerFailedError` when its process dies of it, or has not answered after `timeoutMs`. */
  run(task: Task, timeoutMs: number): Promise<Verdict> {
    const runner = this.#running()
    return new Promise((resolve, reject) => {
      const fail = (what: string): void => {
        this.#endRunner()
        reject(new RunnerFailedError(`${what} ${this.#errors.trim().split('\n').slice(0, 8).join(' | ')}`))
      }
      const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs)
      const onExit = (code: number | null): void => {
        clearTimeout(timer)
        fail(`the process that ran its seeds exited with ${code}:`)
      }
      runner.once('exit', onExit)
      runner.once('message', (verdict) => {
        clearTimeout(timer)
        runner.off('exit', onExit)
        resolve(verdict as Verdict)
      })
      runner.send(task)
    })
  }

  [Symbol.dispose](): void {
    this.#endRunner()
    rmSync(this.directory, { recursive: true, force: true })
  }

  #running(): ChildProcess {
    if (this.#runner !== undefined) return this.#runner
    this.#errors = ''
    const runner = fork(join(this.directory, 'simulation/mutations/seed-runner.ts'), {
      execArgv: ['--conditions=@cajun/source', '--disable-warning=ExperimentalWarning'],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    runner.stderr?.on('data', (data: Buffer) => {
      this.#errors += data.toString()
    })
    this.#runner = runner
    return runner
  }

  #endRunner(): void {
    const runner = this.#runner
    this.#runner = undefined
    runner?.removeAllListeners('exit')
    runner?.kill('SIGKILL')
  }
}
