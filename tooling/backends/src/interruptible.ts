// A server that tests interrupt as the contract suites name it, and that always comes back.

import type { Backend } from './backend.ts'

/** `wiped`: killed, and started again without its data. */
export type Interruption = 'frozen' | 'killed' | 'wiped'

export class Interruptible {
  readonly #backend: Backend
  readonly #wipeable: boolean
  #interrupted: Interruption | undefined

  constructor(backend: Backend, options: { readonly wipeable?: boolean } = {}) {
    this.#backend = backend
    this.#wipeable = options.wipeable ?? true
  }

  get interruptions(): readonly Interruption[] {
    if (!this.#backend.controllable) return []
    return this.#wipeable && this.#backend.wipeable ? ['frozen', 'killed', 'wiped'] : ['frozen', 'killed']
  }

  async interrupt(how: Interruption): Promise<void> {
    this.#interrupted = how
    if (how === 'frozen') return this.#backend.freeze()
    await this.#backend.kill()
    if (how === 'wiped') this.#backend.wipe()
  }

  async restore(): Promise<void> {
    const interrupted = this.#interrupted
    this.#interrupted = undefined
    if (interrupted === 'frozen') await this.#backend.thaw()
    else if (interrupted !== undefined) await this.#backend.restart()
  }
}

/** What cuts the way to the server, as `CutProxy` of the fault proxy does. */
export interface Way extends AsyncDisposable {
  isolate(direction: 'both' | 'answers'): void
  heal(): void
  strand(): void
  delayAnswers(delayMs: number): void
}

/** All faults that a harness of the stores' contract offers, over one way to one server. */
export function faultsOf(way: Way, server: Interruptible) {
  return {
    isolate: (direction: 'both' | 'answers'): void => way.isolate(direction),
    heal: (): void => way.heal(),
    strand: (): void => way.strand(),
    delayAnswers: (delayMs: number): void => way.delayAnswers(delayMs),
    interruptions: server.interruptions,
    interrupt: (how: Interruption): Promise<void> => server.interrupt(how),
    restore: (): Promise<void> => server.restore(),
    async [Symbol.asyncDispose](): Promise<void> {
      await server.restore()
      await way[Symbol.asyncDispose]()
    },
  }
}
