// An etcd that tests interrupt as the contract suite names it.

import { readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { Backend, type BackendOptions } from '@cajun/backends'
import type { Interruption } from '@cajun/contract-tests'
import type { EtcdMetadataStoreOptions } from '../../src/index.ts'

export class EtcdUnderTest {
  readonly backend: Backend
  readonly #options: BackendOptions
  #interrupted: Interruption | undefined

  private constructor(backend: Backend, options: BackendOptions) {
    this.backend = backend
    this.#options = options
  }

  static async start(options: BackendOptions = {}): Promise<EtcdUnderTest> {
    return new EtcdUnderTest(await Backend.start('etcd', options), options)
  }

  get url(): string {
    return this.backend.url
  }

  get port(): number {
    return Number(new URL(this.url).port)
  }

  /** What a client needs beside the url. */
  get access(): Pick<EtcdMetadataStoreOptions, 'auth' | 'tls'> {
    const { tls } = this.backend
    const { credentials } = this.#options
    return {
      ...(credentials === undefined ? {} : { auth: credentials }),
      ...(tls === undefined ? {} : { tls: { ca: readFileSync(tls.certFile) } }),
    }
  }

  /** The same server behind a proxy. */
  urlAt(port: number): string {
    return `${new URL(this.url).protocol}//127.0.0.1:${port}`
  }

  /** With authentication on, an empty store would have no users: it can't come back as one that clients may enter. */
  get interruptions(): readonly Interruption[] {
    if (!this.backend.controllable) return []
    const wipeable = this.backend.source !== 'docker' && this.#options.credentials === undefined
    return wipeable ? ['frozen', 'killed', 'wiped'] : ['frozen', 'killed']
  }

  async interrupt(how: Interruption): Promise<void> {
    this.#interrupted = how
    if (how === 'frozen') return this.backend.freeze()
    await this.backend.kill()
    if (how === 'wiped') rmSync(join(this.backend.dataDir as string, 'etcd'), { recursive: true, force: true })
  }

  async restore(): Promise<void> {
    const interrupted = this.#interrupted
    this.#interrupted = undefined
    if (interrupted === 'frozen') await this.backend.thaw()
    else if (interrupted !== undefined) await this.backend.restart()
  }

  stop(): Promise<void> {
    return this.backend.stop()
  }
}
