// The proxy: listens on a free loopback port, connects each client to the target, and holds both ways in its hands. Faults are switched by
// hand (`hold`, `drop` …) or by a schedule (schedule.ts). It resets what it held back on `close`; nothing of it keeps a process alive after that.

import { connect, createServer, type Server, type Socket } from 'node:net'
import { nodeRuntime, type Runtime } from '@cajun/core/adapter'
import { type FrameFaults, noFaults, type Way, type WayFaults } from './faults.ts'
import { Pipe, type PipeContext } from './pipe.ts'
import { emptyReport, type FaultReport } from './report.ts'
import { SeededRandom } from './seeded-random.ts'

export interface FaultProxyOptions {
  /** `host:port`. May be set later by `retarget`; connections before are held. */
  readonly target: string
  /** Decides everything that is left to chance. Default 1. */
  readonly seed?: number
  /** Frame-aware mode: whole frames of the TCP transport are lost, repeated and reordered with these chances. Handshake, heartbeats and bye are left alone. */
  readonly frames?: Partial<FrameFaults>
  readonly runtime?: Runtime
}

interface Proxied {
  readonly client: Socket
  readonly target: Socket
  readonly pipes: Readonly<Record<Way, Pipe>>
}

export class FaultProxy implements AsyncDisposable {
  readonly report: FaultReport = emptyReport()
  readonly random: SeededRandom
  readonly #runtime: Runtime
  readonly #server: Server
  readonly #faults: Readonly<Record<Way, WayFaults>> = { toTarget: noFaults(), toClient: noFaults() }
  readonly #context: PipeContext
  readonly #proxied = new Set<Proxied>()
  #target: string
  #address = ''

  private constructor(options: FaultProxyOptions) {
    this.#target = options.target
    this.#runtime = options.runtime ?? nodeRuntime
    this.random = new SeededRandom(options.seed ?? 1)
    const frameFaults = options.frames && { lose: 0, repeat: 0, reorder: 0, ...options.frames }
    this.#context = { runtime: this.#runtime, random: this.random, report: this.report, frameFaults }
    this.#server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => this.#accepted(client))
  }

  static async listen(options: FaultProxyOptions): Promise<FaultProxy> {
    const proxy = new FaultProxy(options)
    await new Promise<void>((resolve, reject) => {
      proxy.#server.once('error', reject)
      proxy.#server.listen({ host: '127.0.0.1', port: 0 }, resolve)
    })
    const bound = proxy.#server.address()
    if (bound === null || typeof bound === 'string') throw new Error('the proxy listens nowhere')
    proxy.#address = `127.0.0.1:${bound.port}`
    return proxy
  }

  /** Where to connect instead of to the target. */
  get address(): string {
    return this.#address
  }

  /** New connections go there from now on. */
  retarget(target: string): void {
    this.#target = target
  }

  /** Nothing passes from now on; nobody is told. */
  hold(...ways: Way[]): void {
    this.#change(ways, (faults) => {
      faults.held = true
      this.report.holds++
    })
  }

  release(...ways: Way[]): void {
    this.#change(ways, (faults) => {
      faults.held = false
    })
  }

  delay(delayMs: number, ...ways: Way[]): void {
    this.#change(ways, (faults) => {
      faults.delayMs = delayMs
      if (delayMs > 0) this.report.delays++
    })
  }

  throttle(bytesPerSecond: number | undefined, ...ways: Way[]): void {
    this.#change(ways, (faults) => {
      faults.bytesPerSecond = bytesPerSecond
      if (bytesPerSecond !== undefined) this.report.throttles++
    })
  }

  /** Every connection is reset at once. */
  drop(): void {
    for (const proxied of [...this.#proxied]) {
      this.report.dropped++
      this.#reset(proxied)
    }
  }

  /** Every connection is reset after up to `mostBytes` more bytes: in the middle of a frame, most likely. */
  breakMidway(mostBytes: number): void {
    for (const { pipes } of this.#proxied)
      pipes[this.random.pick<Way>(['toTarget', 'toClient'])].breakAfter(this.random.whole(1, mostBytes))
  }

  /** Bytes of our own on every connection, between those that pass: garbage, unless it is well made. */
  inject(way: Way, bytes: Uint8Array): void {
    for (const { client, target } of this.#proxied) (way === 'toTarget' ? target : client).write(bytes)
  }

  /** No faults any more, frame faults included. */
  heal(): void {
    this.#change([], (faults) => {
      Object.assign(faults, noFaults(), { calm: true })
    })
  }

  /** Frame faults go on after `heal`. */
  disturb(): void {
    this.#change([], (faults) => {
      faults.calm = false
    })
  }

  async close(): Promise<void> {
    for (const proxied of [...this.#proxied]) this.#reset(proxied)
    if (!this.#server.listening) return
    await new Promise((resolve) => this.#server.close(resolve))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** No ways named: both. */
  #change(ways: readonly Way[], change: (faults: WayFaults) => void): void {
    const named: readonly Way[] = ways.length === 0 ? ['toTarget', 'toClient'] : ways
    for (const way of named) change(this.#faults[way])
    for (const { pipes } of this.#proxied) for (const way of named) pipes[way].pump()
  }

  #accepted(client: Socket): void {
    this.report.connections++
    this.report.open++
    const at = this.#target.lastIndexOf(':')
    const host = this.#target.slice(0, at).replaceAll(/[[\]]/g, '')
    const target = connect({ host, port: Number(this.#target.slice(at + 1)), noDelay: true, allowHalfOpen: true })
    const reset = (): void => this.#reset(proxied)
    const proxied: Proxied = {
      client,
      target,
      pipes: {
        toTarget: new Pipe(this.#context, client, target, this.#faults.toTarget, reset),
        toClient: new Pipe(this.#context, target, client, this.#faults.toClient, reset),
      },
    }
    this.#proxied.add(proxied)
    for (const socket of [client, target]) {
      socket.on('error', () => {})
      // An orderly end travels through the pipes; only a broken socket takes the other one with it.
      socket.on('close', (broken) => this.#closed(proxied, broken))
    }
  }

  /** While a way is held, the other side must not learn that this one is gone. */
  #closed(proxied: Proxied, broken: boolean): void {
    if (!this.#proxied.has(proxied)) return
    if (proxied.client.destroyed && proxied.target.destroyed) return this.#reset(proxied)
    if (!broken) return
    if (!this.#faults.toTarget.held && !this.#faults.toClient.held) return this.#reset(proxied)
    this.#runtime.setTimer(() => this.#closed(proxied, broken), 10)
  }

  #reset(proxied: Proxied): void {
    if (!this.#proxied.delete(proxied)) return
    this.report.open--
    for (const pipe of Object.values(proxied.pipes)) pipe.close()
    proxied.client.resetAndDestroy()
    proxied.target.resetAndDestroy()
  }
}
