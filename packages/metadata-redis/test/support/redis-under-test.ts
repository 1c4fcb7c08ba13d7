// A Redis that tests interrupt as the contract suite names it.

import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Backend, type BackendOptions } from '@cajun/backends'
import type { Interruption } from '@cajun/contract-tests'
import type { RedisMetadataStoreOptions } from '../../src/index.ts'

export class RedisUnderTest {
  readonly #backend: Backend
  readonly #options: BackendOptions
  #interrupted: Interruption | undefined

  private constructor(backend: Backend, options: BackendOptions) {
    this.#backend = backend
    this.#options = options
  }

  static async start(options: BackendOptions = {}): Promise<RedisUnderTest> {
    return new RedisUnderTest(await Backend.start('redis', options), options)
  }

  get backend(): Backend {
    return this.#backend
  }

  get url(): string {
    return this.#backend.url
  }

  get port(): number {
    return Number(new URL(this.#backend.url).port)
  }

  /** What a client needs beside the url. */
  get access(): NonNullable<RedisMetadataStoreOptions['redis']> {
    const { tls } = this.#backend
    return { ...this.#options.credentials, ...(tls === undefined ? {} : { tls: { ca: readFileSync(tls.certFile) } }) }
  }

  /** The same server behind a proxy. */
  urlAt(port: number): string {
    const url = new URL(this.url)
    url.port = String(port)
    return url.href
  }

  get interruptions(): readonly Interruption[] {
    if (!this.#backend.controllable) return []
    return this.#backend.source === 'docker' ? ['frozen', 'killed'] : ['frozen', 'killed', 'wiped']
  }

  async interrupt(how: Interruption): Promise<void> {
    this.#interrupted = how
    if (how === 'frozen') return this.#backend.freeze()
    await this.#backend.kill()
    if (how === 'wiped') rmSync(join(this.#backend.dataDir as string, 'appendonlydir'), { recursive: true, force: true })
  }

  async restore(): Promise<void> {
    const interrupted = this.#interrupted
    this.#interrupted = undefined
    if (interrupted === 'frozen') await this.#backend.thaw()
    else if (interrupted !== undefined) await this.#backend.restart()
  }

  stop(): Promise<void> {
    return this.#backend.stop()
  }
}
