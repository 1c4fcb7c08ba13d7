// What transports over a stream of bytes do between real processes: frozen, killed, blocked, ended.

import { connect, createServer, type Socket } from 'node:net'
import type { MessagingHandler, MessagingSystem } from '@cajun/core/adapter'
import { describe, expect, test, vi } from 'vitest'
import { ChildNode } from '../../../core/test/process/support/child-node.ts'
import type { StreamMessagingOptions } from '../../src/index.ts'

const timing = { heartbeatIntervalMs: 200, heartbeatTimeoutMs: 800, reconnect: { minDelayMs: 20, maxDelayMs: 200 } }

class Recorder implements MessagingHandler {
  readonly news: string[] = []
  readonly errors: Error[] = []
  readonly times: number[] = []
  frames = 0

  onPeerUp(peer: { processId: string }): void {
    this.#note(`up ${peer.processId}`)
  }

  onPeerDown(peer: { processId: string }): void {
    this.#note(`down ${peer.processId}`)
  }

  onFrame(): void {
    this.frames++
  }

  onDrain(): void {}

  onError(error: Error): void {
    this.errors.push(error)
  }

  #note(news: string): void {
    this.news.push(news)
    this.times.push(performance.now())
  }
}

export interface ProcessCasesOptions {
  readonly name: string
  /** Calls `serveSystem`. */
  readonly script: URL
  readonly make: (options: StreamMessagingOptions) => MessagingSystem
  /** The transport's form of `host:port`. */
  readonly addressOf: (hostPort: string) => string
}

/** Registers them with vitest. */
export function processCases({ name, script, make, addressOf }: ProcessCasesOptions): void {
  async function withChild(
    run: (here: { system: MessagingSystem; recorder: Recorder; child: ChildNode; address: string }) => Promise<void>,
  ): Promise<void> {
    await using system = make({ port: 0, ...timing })
    await using child = await ChildNode.start(script)
    const recorder = new Recorder()
    await system.start({ clusterId: 'c', nodeId: 'a', processId: 'a-1' }, recorder)
    const { address } = await child.call<{ address: string }>('start', 'b', 'b-1', timing)
    system.connect({ nodeId: 'b', processId: 'b-1', address })
    await vi.waitFor(() => expect(recorder.news).toEqual(['up b-1']), 5_000)
    await run({ system, recorder, child, address })
  }

  describe(`${name} between processes`, () => {
    test('finds a frozen process (SIGSTOP) by its silence, and meets it again when it goes on', async () => {
      await withChild(async ({ system, recorder, child }) => {
        const frozenAt = performance.now()
        child.freeze()
        await vi.waitFor(() => expect(recorder.news).toEqual(['up b-1', 'down b-1']), 5_000)
        const foundAfterMs = (recorder.times[1] as number) - frozenAt
        expect(foundAfterMs).toBeLessThan(timing.heartbeatTimeoutMs + 300)
        expect(system.send('b', Uint8Array.of(1))).toBe(false)
        await expect(system.ping('b')).rejects.toThrow('not up')
        child.thaw()
        await vi.waitFor(() => expect(recorder.news.at(-1)).toBe('up b-1'), 5_000)
        expect(await system.ping('b')).toBeGreaterThan(0)
        await vi.waitFor(() => expect(child.reports.map((report) => (report as { type: string }).type)).toContain('down'), 5_000)
      })
    })

    test('learns at once that a process was killed (SIGKILL), and reports that it can not be reached', async () => {
      await withChild(async ({ recorder, child, address }) => {
        const killedAt = performance.now()
        await child.kill()
        await vi.waitFor(() => expect(recorder.news).toEqual(['up b-1', 'down b-1']), 5_000)
        expect((recorder.times[1] as number) - killedAt).toBeLessThan(timing.heartbeatTimeoutMs)
        await vi.waitFor(
          () => expect(recorder.errors[0]?.message).toContain(`can't connect to node 'b' at ${address}: connect ECONNREFUSED`),
          5_000,
        )
      })
    })

    test('a process whose event loop is blocked for less than the time-out is not given up, nor does it give up others', async () => {
      await withChild(async ({ system, recorder, child }) => {
        await child.call('block', 500)
        expect(await system.ping('b')).toBeGreaterThan(0)
        expect(recorder.news).toEqual(['up b-1'])
        expect(child.reports).toHaveLength(1)
      })
    })

    test('a process that was blocked for longer reads what waits for it before it judges', async () => {
      await withChild(async ({ system, recorder }) => {
        // This process itself stands still; the child pings it and gives it up only after its time-out.
        const until = performance.now() + 600
        while (performance.now() < until);
        await new Promise((resolve) => setTimeout(resolve, 50))
        expect(recorder.news).toEqual(['up b-1'])
        expect(await system.ping('b')).toBeGreaterThan(0)
      })
    })

    test('what was sent just before stop arrives, and a stopped system keeps no process alive', async () => {
      await withChild(async ({ recorder, child }) => {
        expect(await child.call('send', 'a', 100, 1_000)).toBe(100)
        await child.call('stopAndLeave')
        expect(await child.exited).toEqual({ code: 0, signal: null })
        await vi.waitFor(() => expect(recorder.news).toEqual(['up b-1', 'down b-1']), 5_000)
        expect(recorder.frames).toBe(100)
      })
    })

    test('a taken port is refused with an error that names address and option, and start works after it is free', async () => {
      const server = createServer()
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      const { port } = server.address() as { port: number }
      await using system = make({ port })
      const identity = { clusterId: 'c', nodeId: 'a', processId: 'a-1' }
      const error = await system.start(identity, new Recorder()).catch((reason: unknown) => reason)
      expect(error).toMatchObject({
        code: 'TRANSPORT',
        message: `can't listen on ${addressOf(`127.0.0.1:${port}`)}: the port is taken; choose another one with option port, or 0 for any that is free`,
      })
      await new Promise((resolve) => server.close(resolve))
      expect(await system.start(identity, new Recorder())).toEqual({ address: addressOf(`127.0.0.1:${port}`) })
    })

    test('an address that is none of this machine is refused with an error that names it', async () => {
      await using system = make({ host: '192.0.2.1', port: 0, insecure: true })
      await expect(system.start({ clusterId: 'c', nodeId: 'a', processId: 'a-1' }, new Recorder())).rejects.toThrow(
        `can't listen on ${addressOf('192.0.2.1:0')}: no interface of this machine has this address; see option host`,
      )
    })

    test('advertise tells others where to connect', async () => {
      await using system = make({ port: 0, advertise: 'node1.internal' })
      const { address } = await system.start({ clusterId: 'c', nodeId: 'a', processId: 'a-1' }, new Recorder())
      const port = /\d{2,}/.exec(address)?.[0]
      expect(address).toBe(addressOf(`node1.internal:${port}`))
    })

    test('more incoming connections without a handshake than allowed are closed at once, and make no difference to peers', async () => {
      await using system = make({ port: 0, maxPendingConnections: 4, connectTimeoutMs: 500 })
      const recorder = new Recorder()
      const { address } = await system.start({ clusterId: 'c', nodeId: 'a', processId: 'a-1' }, recorder)
      const port = Number(/:(\d+)/.exec(address)?.[1])
      let closed = 0
      const sockets: Socket[] = Array.from({ length: 20 }, () => {
        const socket = connect(port, '127.0.0.1')
        socket.on('error', () => {})
        socket.on('close', () => closed++)
        socket.resume()
        return socket
      })
      await vi.waitFor(() => expect(closed).toBe(16), 2_000)
      await vi.waitFor(() => expect(closed).toBe(20), 3_000)
      for (const socket of sockets) socket.destroy()
      await using other = make({ port: 0 })
      await other.start({ clusterId: 'c', nodeId: 'b', processId: 'b-1' }, new Recorder())
      other.connect({ nodeId: 'a', processId: 'a-1', address })
      await vi.waitFor(() => expect(recorder.news).toEqual(['up b-1']), 5_000)
    })
  })
}
