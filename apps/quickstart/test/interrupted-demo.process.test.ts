// The demo, ended at any time and in any way, leaves no process, no server and no file behind.

import { spawn } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { reasonToSkip } from '@cajun/backends'
import { describe, expect, it } from 'vitest'
import { until } from './support/until.ts'

const main = fileURLToPath(new URL('../src/main.ts', import.meta.url))
const reason = await reasonToSkip('etcd')

/** Everything that comes of a demo knows its folder for temporary files by the environment. */
async function processesOf(folder: string): Promise<string[]> {
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const environment = await readFile(`/proc/${pid}/environ`, 'utf8').catch(() => '')
    if (!environment.includes(`TMPDIR=${folder}\0`)) continue
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    // What has ended and was not yet collected has no command line.
    if (command !== '') found.push(command.replaceAll('\0', ' ').slice(0, 100))
  }
  return found
}

class Demo {
  readonly #child
  output = ''
  readonly ended: Promise<number | NodeJS.Signals | null>

  constructor(folder: string) {
    this.#child = spawn(
      process.execPath,
      ['--conditions=@cajun/source', '--disable-warning=ExperimentalWarning', main, '--metadata', 'etcd'],
      // A group of its own, as a shell makes one for what it starts.
      { detached: true, stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, TMPDIR: folder } },
    )
    for (const stream of [this.#child.stdout, this.#child.stderr]) stream.on('data', (text: Buffer) => (this.output += String(text)))
    this.ended = new Promise((resolve) => this.#child.once('exit', (code, signal) => resolve(code ?? signal)))
  }

  /** Ctrl-C reaches every process of the group; `kill` only the one that is named. */
  ctrlC(): void {
    process.kill(-(this.#child.pid as number), 'SIGINT')
  }

  signal(signal: NodeJS.Signals): void {
    this.#child.kill(signal)
  }

  /** As `| head -1` does. */
  closeOutput(): void {
    this.#child.stdout.destroy()
  }
}

const ways: readonly [how: string, after: string, end: (demo: Demo) => void, code: number | NodeJS.Signals][] = [
  ['by Ctrl-C while its server starts', 'Cajun quickstart', (demo) => demo.ctrlC(), 130],
  ['by Ctrl-C while its nodes start', 'messaging:', (demo) => demo.ctrlC(), 130],
  ['by Ctrl-C while messages flow', 'are up', (demo) => demo.ctrlC(), 130],
  ['by SIGTERM while its nodes start', 'messaging:', (demo) => demo.signal('SIGTERM'), 143],
  ['by the end of whoever reads its output', 'are up', (demo) => demo.closeOutput(), 141],
]

describe.skipIf(reason !== undefined || process.platform !== 'linux')(`the demo on etcd, ended${reason ? ` (${reason})` : ''}`, () => {
  it.each(ways)('%s, leaves nothing behind', async (_how, after, end, code) => {
    const folder = await mkdtemp(join(tmpdir(), 'cajun-interrupted-'))
    try {
      const demo = new Demo(folder)
      await until(() => demo.output.includes(after), 20_000)
      expect((await processesOf(folder)).length).toBeGreaterThan(0)
      end(demo)
      expect(await demo.ended).toBe(code)
      await until(async () => (await processesOf(folder)).length === 0, 3_000).catch(async () => {
        expect(await processesOf(folder)).toEqual([])
      })
      expect(await readdir(folder)).toEqual([])
      expect(demo.output).not.toMatch(/failed|Error|error/)
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })

  it('by SIGKILL, leaves no process and no server', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cajun-interrupted-'))
    try {
      const demo = new Demo(folder)
      await until(() => demo.output.includes('are up'), 20_000)
      demo.signal('SIGKILL')
      await demo.ended
      await until(async () => (await processesOf(folder)).length === 0, 3_000).catch(async () => {
        expect(await processesOf(folder)).toEqual([])
      })
      // The ledgers are all that nobody could remove.
      expect((await readdir(folder)).filter((name) => !name.startsWith('cajun-quickstart-'))).toEqual([])
    } finally {
      await rm(folder, { recursive: true, force: true })
    }
  })
})
