// A session's process is killed or paused: its keys vanish in time, and what comes back knows that it is not safe.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { MemoryMetadataServer, MemoryMetadataStore } from '../src/index.ts'

const MAIN = fileURLToPath(new URL('./support/client-main.ts', import.meta.url))
const TTL_MS = 600

class ClientProcess implements AsyncDisposable {
  readonly lines: string[] = []
  readonly child: ChildProcess

  constructor(url: string) {
    this.child = spawn(process.execPath, ['--conditions=@cajun/source', MAIN, url, String(TTL_MS)], { stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface({ input: this.child.stdout as NodeJS.ReadableStream }).on('line', (line) => this.lines.push(line))
  }

  async said(line: string, withinMs = 10_000): Promise<void> {
    await until(withinMs, () => this.lines.includes(line), `the client did not say '${line}': ${this.lines.join(', ')}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    this.child.kill('SIGKILL')
    await once(this.child, 'exit')
  }
}

async function until(withinMs: number, check: () => boolean | Promise<boolean>, message: string): Promise<number> {
  const startedAt = performance.now()
  while (!(await check())) {
    if (performance.now() - startedAt > withinMs) throw new Error(message)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return performance.now() - startedAt
}

async function served() {
  const server = await MemoryMetadataServer.start()
  const store = new MemoryMetadataStore({ database: server.database })
  await store.open()
  const client = new ClientProcess(server.url)
  await client.said('ready')
  const present = async (): Promise<boolean> => (await store.get('client')) !== undefined
  expect(await present()).toBe(true)
  return {
    client,
    present,
    async [Symbol.asyncDispose]() {
      await client[Symbol.asyncDispose]()
      await store.close()
      await server.close()
    },
  }
}

test('the keys of a process that was killed vanish within the TTL + 1 s', async () => {
  await using scene = await served()
  scene.client.child.kill('SIGKILL')
  const ms = await until(TTL_MS + 1_000, async () => !(await scene.present()), 'the key is still there')
  expect(ms).toBeGreaterThan(TTL_MS / 3)
})

test('a process that was paused beyond its TTL finds itself unsafe, and its session lost', async () => {
  await using scene = await served()
  scene.client.child.kill('SIGSTOP')
  await until(TTL_MS + 1_000, async () => !(await scene.present()), 'the key is still there')
  expect(scene.client.lines).toEqual(['ready'])
  scene.client.child.kill('SIGCONT')
  await scene.client.said('lost')
  await scene.client.said('unsafe')
  expect(await scene.present()).toBe(false)
})

test('a process that was paused for less than its TTL goes on', async () => {
  await using scene = await served()
  scene.client.child.kill('SIGSTOP')
  await new Promise((resolve) => setTimeout(resolve, TTL_MS / 4))
  scene.client.child.kill('SIGCONT')
  await new Promise((resolve) => setTimeout(resolve, 2 * TTL_MS))
  expect(scene.client.lines).toEqual(['ready'])
  expect(await scene.present()).toBe(true)
})
