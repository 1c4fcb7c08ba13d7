// A ZooKeeper that tests interrupt as the contract suite names it.

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { Backend, type BackendOptions } from '@cajun/backends'
import type { Interruption } from '@cajun/contract-tests'

export class ZooKeeperUnderTest {
  readonly backend: Backend
  #interrupted: Interruption | undefined

  private constructor(backend: Backend) {
    this.backend = backend
  }

  static async start(options: BackendOptions = {}): Promise<ZooKeeperUnderTest> {
    return new ZooKeeperUnderTest(await Backend.start('zookeeper', options))
  }

  get endpoint(): string {
    return this.backend.url
  }

  get port(): number {
    return Number(this.endpoint.split(':').at(-1))
  }

  get interruptions(): readonly Interruption[] {
    if (!this.backend.controllable) return []
    return this.backend.source === 'docker' ? ['frozen', 'killed'] : ['frozen', 'killed', 'wiped']
  }

  async interrupt(how: Interruption): Promise<void> {
    this.#interrupted = how
    if (how === 'frozen') return this.backend.freeze()
    await this.backend.kill()
    if (how === 'wiped') rmSync(join(this.backend.dataDir as string, 'zookeeper'), { recursive: true, force: true })
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
