// A copy of core and of the simulation beside each other in a temporary directory, where one file at a time is changed.

import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Mutation, mutate } from './mutation.ts'

const packages = new URL('../../', import.meta.url).pathname

export class Workshop implements Disposable {
  readonly directory: string = mkdtempSync(join(tmpdir(), 'cajun-mutants-'))

  constructor() {
    for (const name of ['core', 'simulation']) {
      for (const part of ['src', 'package.json', ...(name === 'simulation' ? ['mutations'] : [])]) {
        cpSync(join(packages, name, part), join(this.directory, name, part), { recursive: true })
      }
    }
    mkdirSync(join(this.directory, 'node_modules/@cajun'), { recursive: true })
    symlinkSync(join(this.directory, 'core'), join(this.directory, 'node_modules/@cajun/core'))
  }

  get seedRunner(): string {
    return join(this.directory, 'simulation/mutations/hunt.ts')
  }

  /** Returns what takes it out again. */
  plant(mutation: Mutation): () => void {
    const path = join(this.directory, 'core/src', mutation.file)
    const source = readFileSync(path, 'utf8')
    writeFileSync(path, mutate(source, mutation))
    return () => writeFileSync(path, source)
  }

  [Symbol.dispose](): void {
    rmSync(this.directory, { recursive: true, force: true })
  }
}
