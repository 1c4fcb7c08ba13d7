// A server that runs: what tests do to it. One from the environment belongs to somebody else, and is only pointed to.

import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { selfSignedCertificate } from '@cajun/certificates'
import { ContainerControl } from './container-control.ts'
import { freePort } from './free-port.ts'
import { GuardedProcess } from './guarded-process.ts'
import { locate, type Source } from './locate.ts'
import { ProcessControl } from './process-control.ts'
import type { BackendName, Certificate, Credentials, Launch, ServerKind, Variant } from './server-kind.ts'
import { serverKinds } from './server-kinds.ts'

export interface BackendOptions {
  /** With a certificate for loopback. */
  readonly tls?: boolean
  /** The server lets in nobody else. */
  readonly credentials?: Credentials
  /** How long a start may take until the server answers. Default 30 s. */
  readonly readyWithinMs?: number
}

/** How a server is held: as a child of the watchdog, or as a container. */
export interface Control {
  readonly port: number
  readonly pid: number | undefined
  start(): Promise<void>
  kill(): Promise<void>
  freeze(): Promise<void>
  thaw(): Promise<void>
  /** How it ended, when it did so by itself. */
  readonly exit: string | undefined
}

export class Backend implements AsyncDisposable {
  readonly name: BackendName
  readonly url: string
  readonly source: Source['type']
  readonly dataDir: string | undefined
  readonly tls: Certificate | undefined
  readonly #kind: ServerKind
  readonly #control: Control | undefined
  readonly #guard: GuardedProcess | undefined
  readonly #variant: Variant
  readonly #readyWithinMs: number

  private constructor(kind: ServerKind, url: string, source: Source['type'], held: Held | undefined, options: BackendOptions) {
    this.name = kind.name
    this.url = url
    this.source = source
    this.dataDir = held?.dataDir
    this.tls = held?.variant.tls
    this.#kind = kind
    this.#control = held?.control
    this.#guard = held?.guard
    this.#variant = held?.variant ?? { tls: undefined, credentials: options.credentials }
    this.#readyWithinMs = options.readyWithinMs ?? 30_000
  }

  /** Rejects with the reason, and what would help, when the server can't be had. */
  static async start(name: BackendName, options: BackendOptions = {}): Promise<Backend> {
    const kind = serverKinds[name]
    const location = await locate(name)
    if (!location.available) throw new Error(`no ${name}: ${location.reason}. To have one: ${location.remedy}`)
    const { source } = location
    if (source.type === 'environment') return new Backend(kind, source.url, source.type, undefined, options)
    const guard = new GuardedProcess()
    try {
      const held = await hold(kind, source, guard, options)
      const backend = new Backend(kind, kind.url('127.0.0.1', held.control.port, held.variant), source.type, held, options)
      await held.control.start()
      await backend.#untilReady()
      await kind.prepare?.('127.0.0.1', held.control.port, held.variant)
      return backend
    } catch (error) {
      await guard.end()
      throw error
    }
  }

  /** False: it can neither be killed nor frozen nor restarted from here. */
  get controllable(): boolean {
    return this.#control !== undefined
  }

  /** `undefined`: it is not ours, or no process of this machine. */
  get pid(): number | undefined {
    return this.#control?.pid
  }

  /** SIGKILL: at once, without a word to anybody. */
  kill(): Promise<void> {
    return this.#required('kill').kill()
  }

  /** Starts it again after `kill`, with the same data on the same port; resolves when it answers. */
  async restart(): Promise<void> {
    await this.#required('restart').start()
    await this.#untilReady()
  }

  /** False: its data can't be taken away from here. */
  get wipeable(): boolean {
    return this.controllable && this.source !== 'docker' && this.#kind.dataFolder !== undefined
  }

  /** After `kill`: removes its data, so that it comes back as another store. */
  wipe(): void {
    if (!this.wipeable) throw new Error(`wipe: the data of ${this.name} from ${this.source} can't be taken away`)
    rmSync(join(this.dataDir as string, this.#kind.dataFolder as string), { recursive: true, force: true })
  }

  /** SIGSTOP: connections stay open and nothing is answered. */
  freeze(): Promise<void> {
    return this.#required('freeze').freeze()
  }

  /** SIGCONT. */
  thaw(): Promise<void> {
    return this.#required('thaw').thaw()
  }

  /** Ends it and removes its data. */
  async stop(): Promise<void> {
    await this.#guard?.end()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }

  #required(what: string): Control {
    if (this.#control === undefined)
      throw new Error(`${what}: ${this.name} at ${this.url} was given by ${this.#kind.variable}; it is not ours to ${what}`)
    return this.#control
  }

  async #untilReady(): Promise<void> {
    const control = this.#required('wait for')
    const untilMs = Date.now() + this.#readyWithinMs
    for (;;) {
      const ready = await this.#kind.ready('127.0.0.1', control.port, this.#variant).catch(() => false)
      if (ready) return
      if (control.exit !== undefined) throw new Error(`${this.name} ended while it started (${control.exit})${this.#log()}`)
      if (Date.now() > untilMs) throw new Error(`${this.name} did not answer within ${this.#readyWithinMs} ms${this.#log()}`)
      await sleep(15)
    }
  }

  #log(): string {
    try {
      return `:\n${readFileSync(join(this.dataDir ?? '', 'server.log'), 'utf8').slice(-2_000)}`
    } catch {
      return ''
    }
  }
}

interface Held {
  readonly control: Control
  readonly guard: GuardedProcess
  readonly dataDir: string
  readonly variant: Variant
}

async function hold(kind: ServerKind, source: Source, guard: GuardedProcess, options: BackendOptions): Promise<Held> {
  const dataDir = (await guard.ask({ op: 'open' })) as string
  if (source.type === 'docker') {
    if (options.tls || options.credentials)
      throw new Error(`${kind.name} with TLS or credentials is not set up in a container; install it on the machine`)
    const variant: Variant = { tls: undefined, credentials: undefined }
    return { control: await ContainerControl.create(kind, guard), guard, dataDir, variant }
  }
  if (source.type === 'environment') throw new Error('a server of the environment is not ours to start')
  const tls = options.tls ? await selfSignedCertificate(dataDir) : undefined
  const launch: Launch = {
    port: await freePort(),
    peerPort: await freePort(),
    registryPort: await freePort(),
    dataDir,
    tls,
    credentials: options.credentials,
  }
  return { control: new ProcessControl(kind.command(source.machine, launch), launch.port, guard), guard, dataDir, variant: launch }
}
