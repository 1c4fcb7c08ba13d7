// Servers start, survive what tests do to them, and leave nothing behind.

import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { exchange } from '../src/exchange.ts'
import { Backend, backendNames, reasonToSkip } from '../src/index.ts'
import { locate } from '../src/locate.ts'
import type { BackendName } from '../src/server-kind.ts'

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

async function until(ms: number, what: string, check: () => boolean): Promise<void> {
  for (const untilMs = Date.now() + ms; !check(); ) {
    if (Date.now() > untilMs) throw new Error(`${what}: not within ${ms} ms`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}

/** Of processes that have the folder in their environment: everything that a server with its home there has started. */
function livingIn(dataDir: string): string[] {
  return readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readFileSync(`/proc/${name}/environ`, 'latin1').includes(`=${dataDir}`)
    } catch {
      return false // it ended meanwhile, or is not ours
    }
  })
}

/** Packages are taken as they are written, and not as they may have been built. */
const SOURCE = '--conditions=@cajun/source'

async function startUser(name: BackendName): Promise<{ user: ChildProcess; pid: number; dataDir: string }> {
  const program = fileURLToPath(new URL('./support/user.ts', import.meta.url))
  const user = spawn(process.execPath, [SOURCE, program, name], { stdio: ['ignore', 'pipe', 'inherit'] })
  const [line] = (await once(user.stdout.setEncoding('utf8'), 'data')) as [string]
  return { user, ...(JSON.parse(line) as { pid: number; dataDir: string }) }
}

/** Why there is no process of it to look at, if so. */
async function withoutProcess(name: BackendName): Promise<string | undefined> {
  const location = await locate(name)
  if (!location.available) return location.reason
  const { type } = location.source
  return type === 'docker' || type === 'environment' ? `the server is from ${type}` : undefined
}

const skips = new Map<string, string | undefined>()
for (const name of backendNames) skips.set(name, await reasonToSkip(name))

for (const name of backendNames) {
  const skip = skips.get(name)
  describe.skipIf(skip !== undefined)(skip ?? name, () => {
    test('starts, is killed and comes back on its port, and stop leaves neither process nor file', async ({ skip }) => {
      await using backend = await Backend.start(name)
      if (!backend.controllable) skip('the server is from the environment')
      const { pid, dataDir, url } = backend
      expect(url).toMatch(/127\.0\.0\.1:\d+$/)
      await backend.kill()
      if (pid !== undefined) expect(isAlive(pid)).toBe(false)
      await backend.restart()
      expect(backend.url).toBe(url)
      const second = backend.pid
      await backend.freeze()
      await backend.stop()
      if (second !== undefined) expect(isAlive(second)).toBe(false)
      expect(existsSync(dataDir as string)).toBe(false)
    })
  })
}

describe.skipIf(skips.get('redis') !== undefined)(skips.get('redis') ?? 'with Redis', () => {
  test('data written before SIGKILL is there after a restart', async ({ skip }) => {
    await using backend = await Backend.start('redis')
    if (!backend.controllable) skip('the server is from the environment')
    const endpoint = { host: '127.0.0.1', port: Number(backend.url.split(':').at(-1)), ca: undefined }
    expect(await exchange(endpoint, 'SET k kept\r\n')).toBe('+OK\r\n')
    await backend.kill()
    await expect(exchange(endpoint, 'GET k\r\n')).rejects.toThrow()
    await backend.restart()
    expect(await exchange(endpoint, 'GET k\r\n')).toBe('$4\r\nkept\r\n')
  })

  test('a frozen server answers nothing until it is thawed', async ({ skip }) => {
    await using backend = await Backend.start('redis')
    if (!backend.controllable) skip('the server is from the environment')
    const endpoint = { host: '127.0.0.1', port: Number(backend.url.split(':').at(-1)), ca: undefined }
    await backend.freeze()
    await expect(exchange(endpoint, 'PING\r\n')).rejects.toThrow('no answer')
    await backend.thaw()
    expect(await exchange(endpoint, 'PING\r\n')).toBe('+PONG\r\n')
  })

  for (const signal of ['SIGKILL', 'SIGINT', 'SIGTERM'] as const) {
    test(`when its user ends by ${signal}, the server and its data go too`, async ({ skip }) => {
      const reason = await withoutProcess('redis')
      if (reason !== undefined) skip(reason)
      const { user, pid, dataDir } = await startUser('redis')
      expect(isAlive(pid)).toBe(true)
      user.kill(signal)
      await until(5_000, 'the end of the server', () => !isAlive(pid))
      await until(5_000, 'the removal of its data', () => !existsSync(dataDir))
    })
  }

  test('a server for which nobody waits does not keep its user alive', async ({ skip }) => {
    const reason = await withoutProcess('redis')
    if (reason !== undefined) skip(reason)
    const main = fileURLToPath(new URL('./support/user.ts', import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [SOURCE, main, 'redis', 'leave'], { timeout: 20_000 })
    const { pid } = JSON.parse(stdout) as { pid: number }
    await until(5_000, 'the end of the server', () => !isAlive(pid))
  })
})

describe.skipIf(skips.get('zookeeper') !== undefined)(skips.get('zookeeper') ?? 'with a JVM', () => {
  for (const signal of ['SIGKILL', 'SIGINT'] as const) {
    test(`when its user ends by ${signal}, the JVM and its data go too, frozen or not`, async ({ skip }) => {
      const reason = await withoutProcess('zookeeper')
      if (reason !== undefined) skip(reason)
      const { user, pid, dataDir } = await startUser('zookeeper')
      if (signal === 'SIGKILL') process.kill(pid, 'SIGSTOP')
      user.kill(signal)
      await until(5_000, 'the end of the JVM', () => !isAlive(pid))
      await until(5_000, 'the removal of its data', () => !existsSync(dataDir))
    })
  }
})

describe.skipIf(skips.get('rabbitmq') !== undefined)(skips.get('rabbitmq') ?? 'with RabbitMQ', () => {
  test('its helpers, the port mapper among them, end with it: when it is killed, and when its user is', async ({ skip }) => {
    const reason = await withoutProcess('rabbitmq')
    if (reason !== undefined) skip(reason)
    const { user, pid, dataDir } = await startUser('rabbitmq')
    expect(livingIn(dataDir)).toContain(String(pid))
    expect(livingIn(dataDir).length).toBeGreaterThan(1)
    user.kill('SIGKILL')
    await until(5_000, 'the end of all its processes', () => livingIn(dataDir).length === 0)
    await until(5_000, 'the removal of its data', () => !existsSync(dataDir))
  })
})

test('what does not start says why', async ({ skip }) => {
  const reason = await reasonToSkip('redis', { secured: true })
  if (reason !== undefined) skip(reason)
  const wrong = { username: 'no good\nbind nowhere', password: 'x' }
  await expect(Backend.start('redis', { credentials: wrong })).rejects.toThrow(/ended while it started[\s\S]*(FATAL|Bad directive|error)/i)
})

test('a server that is not ours to secure is no reason to pass: with CI=true it is an error', async ({ skip }) => {
  if (skips.get('redis') !== undefined) skip(skips.get('redis'))
  vi.stubEnv('CAJUN_REDIS_URL', 'redis://127.0.0.1:1')
  vi.stubEnv('CI', '')
  expect(await reasonToSkip('redis')).toBeUndefined()
  expect(await reasonToSkip('redis', { secured: true })).toMatch(
    /^redis from environment has neither TLS nor credentials\. To run these tests: /,
  )
  vi.stubEnv('CI', 'true')
  await expect(reasonToSkip('redis', { secured: true })).rejects.toThrow('neither TLS nor credentials')
  vi.unstubAllEnvs()
})
