// A copy of core and of the simulation beside each other in a temporary directory, where one bug at a time is planted; and the processes that run
// seeds and tests of core there.

import { type ChildProcess, execFile, fork } from 'node:child_process'
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Mutation, mutate } from './mutation.ts'
import type { Task, Verdict } from './seed-runner.ts'

const packages = new URL('../../', import.meta.url).pathname
const modules = new URL('../../../node_modules/', import.meta.url).pathname
const TEST_MODULES = ['vitest', 'fast-check']
/** What is copied of each package beside its sources. The store is what core's tests of whole clusters run on. */
const COPIED = { core: ['test'], simulation: ['mutations'], 'metadata-memory': [] }
const TEST_CONFIG = `const source = { conditions: ['@cajun/source', 'node', 'import', 'default'] }
export default { resolve: source, ssr: { resolve: source }, test: { fsModuleCache: false } }
`

/** It ended, or was ended, instead of answering. */
export class RunnerFailedError extends Error {
  override readonly name = 'RunnerFailedError'
}

/** Of vitest's JSON reporter, what counts here. */
interface TestReport {
  readonly numPassedTests: number
  readonly testResults: readonly { readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[] }[]
}

export class Workshop implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'cajun-mutants-'))
  #runner: ChildProcess | undefined
  #errors = ''

  constructor() {
    for (const [name, parts] of Object.entries(COPIED)) {
      for (const part of ['package.json', 'src', ...parts])
        cpSync(join(packages, name, part), join(this.directory, name, part), { recursive: true })
    }
    writeFileSync(join(this.directory, 'vitest.config.js'), TEST_CONFIG)
    mkdirSync(join(this.directory, 'node_modules/@cajun'), { recursive: true })
    symlinkSync(join(this.directory, 'core'), join(this.directory, 'node_modules/@cajun/core'))
    for (const name of TEST_MODULES) symlinkSync(join(modules, name), join(this.directory, 'node_modules', name))
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

  /** The first test of a file below core/test that fails in the core that stands here now. Rejects with `RunnerFailedError` when none passes either. */
  test(file: string, timeoutMs: number): Promise<string | undefined> {
    const report = join(this.directory, 'report.json')
    rmSync(report, { force: true })
    const runner = [join(modules, 'vitest/vitest.mjs'), 'run', '--root', this.directory]
    const args = [...runner, '--reporter=json', `--outputFile=${report}`, join('core/test', file)]
    return new Promise((resolve, reject) => {
      execFile(process.execPath, args, { timeout: timeoutMs, killSignal: 'SIGKILL' }, (error, _, stderr) => {
        try {
          const { numPassedTests, testResults } = JSON.parse(readFileSync(report, 'utf8')) as TestReport
          if (numPassedTests === 0) throw new RunnerFailedError(`no test of ${file} passed`)
          const tests = testResults.flatMap(({ assertionResults }) => assertionResults)
          resolve(tests.find(({ status }) => status === 'failed')?.fullName)
        } catch (cause) {
          const said = `${error?.message ?? ''} ${stderr}`.trim().slice(0, 1_000)
          reject(cause instanceof RunnerFailedError ? cause : new RunnerFailedError(`${file} could not be run: ${said}`))
        }
      })
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
