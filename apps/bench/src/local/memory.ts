// Bytes of heap per idle actor, measured in a process of its own for each run: `memoryOf` starts it, the rest of this file is what runs there.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

const ACTORS = { cajun: 200_000, runq: 200_000, nact: 50_000, xstate: 50_000 }
export type MemorySubject = keyof typeof ACTORS

export async function memoryOf(subject: MemorySubject, state: 'fresh' | 'used'): Promise<number> {
  const program = new URL('./memory-process.ts', import.meta.url).pathname
  const { stdout } = await promisify(execFile)(process.execPath, [
    '--expose-gc',
    '--conditions=@cajun/source',
    '--disable-warning=ExperimentalWarning',
    program,
    subject,
    state,
    String(ACTORS[subject]),
  ])
  return Number(stdout.trim())
}
