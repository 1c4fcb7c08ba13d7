// Standing for election with what every store has: create-if-absent under a session, and a watch on the key.
//
//   standing ──created──> leading ──resign / session ends──> over
//      │  ▲
//      │  └─the key vanished, or a third of the TTL passed (a watch is a hint)
//      └──held by another──> waiting

import { CajunError, ClosedError, SessionLostError, StoreUnavailableError, UnknownOutcomeError } from '../errors.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'
import type { LeasedSession } from './leased-session.ts'
import type { Campaign, Leadership, MetadataStore, Watch, WatchEvent } from './metadata-store.ts'

const FIRST_BACKOFF_MS = 20

export interface CampaignOptions {
  readonly runtime: Runtime
  readonly store: Pick<MetadataStore, 'get' | 'put' | 'delete' | 'watch'>
  readonly key: string
  readonly session: LeasedSession
  readonly value: string
  /** The fencing token of a leader key that was created with this version. */
  readonly tokenOf: (version: string) => number
  readonly onOver: (campaign: StoreCampaign) => void
}

export class StoreCampaign implements Campaign {
  readonly elected: Promise<Leadership>
  readonly #options: CampaignOptions
  #settle: { resolve(leadership: Leadership): void; reject(error: unknown): void } | undefined
  #leadership: Leadership | undefined
  /** A create whose answer was lost may have made the key, or may yet. */
  #inDoubt = false
  #over = false
  readonly #standing: Promise<void>
  #resigning: Promise<void> | undefined
  /** How often the key was seen to be free. */
  #vacancies = 0
  #watch: Watch | undefined
  #wake: (() => void) | undefined

  constructor(options: CampaignOptions) {
    this.#options = options
    this.elected = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject }
    })
    // Whoever only ever resigns need not look at `elected`.
    this.elected.catch(() => {})
    this.#standing = this.#stand()
  }

  get key(): string {
    return this.#options.key
  }

  get session(): LeasedSession {
    return this.#options.session
  }

  resign(): Promise<void> {
    this.#end(new ClosedError(`the campaign for '${this.key}' was withdrawn`))
    // A create that is under way is waited for: when this resolves, no key of this campaign is left, and none will come.
    this.#resigning ??= this.#standing.then(() => this.#giveUp())
    return this.#resigning
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.resign()
  }

  /** The store closes: the session's end removes the key, so nothing is left to do at the server. */
  abandon(): void {
    this.#end(new ClosedError(`the campaign for '${this.key}' ended: the store was closed`))
    this.#resigning ??= Promise.resolve()
  }

  /** The session was lost or closed. */
  sessionOver(): void {
    this.#end(new SessionLostError(`session ${this.session.id} ended before its election for '${this.key}'`))
  }

  async #stand(): Promise<void> {
    try {
      for (let failures = 0; !this.#over; ) {
        const vacancies = this.#vacancies
        try {
          const won = await this.#create()
          if (won) return
          failures = 0
          await this.#ensureWatch()
          if (this.#vacancies === vacancies) await this.#pause(this.session.ttlMs / 3)
        } catch (error) {
          if (!(error instanceof UnknownOutcomeError || error instanceof StoreUnavailableError)) throw error
          // Created or not: what a lost answer left behind shows up as a key of our own session in the next round.
          this.#inDoubt = true
          await this.#pause(Math.min(this.session.ttlMs / 3, FIRST_BACKOFF_MS * 2 ** Math.min(failures++, 4)))
        }
      }
    } catch (error) {
      this.#end(error)
    } finally {
      await this.#watch?.close()
    }
  }

  async #create(): Promise<boolean> {
    const { store, key, session, value } = this.#options
    const created = await store.put(key, value, { ifVersion: null, session })
    if (created.ok) {
      this.#lead(created.version)
      return true
    }
    if (created.conflict === 'session') throw new SessionLostError(`session ${session.id} ended before its election for '${key}'`)
    const holder = await store.get(key)
    if (holder === undefined) this.#vacancies++
    if (holder?.session === session.id) {
      // Left by a lost answer, or by a former campaign that could not tell the store. Nobody was ever told that he leads by it, or he resigned:
      // it is never adopted, because its token may be an old one.
      await store.delete(key, { ifVersion: holder.version })
      this.#vacancies++
    }
    return false
  }

  #lead(version: string): void {
    const { key, tokenOf } = this.#options
    this.#leadership = { key, version, token: tokenOf(version) }
    this.#inDoubt = false
    this.#settle?.resolve(this.#leadership)
    this.#settle = undefined
  }

  async #ensureWatch(): Promise<void> {
    if (this.#watch !== undefined || this.#over) return
    const { store, key } = this.#options
    const watch = await store.watch(key, (event) => this.#observe(event))
    this.#watch = watch
    if (this.#over) await watch.close()
  }

  #observe(event: WatchEvent): void {
    const free =
      event.type === 'snapshot'
        ? !event.entries.some((entry) => entry.key === this.key)
        : event.changes.some((change) => change.type === 'delete' && change.key === this.key)
    if (!free) return
    this.#vacancies++
    this.#wake?.()
  }

  #pause(longestMs: number): Promise<void> {
    if (this.#over) return Promise.resolve()
    const { runtime } = this.#options
    return new Promise((resolve) => {
      let timer: Timer | undefined
      this.#wake = () => {
        timer?.cancel()
        this.#wake = undefined
        resolve()
      }
      // Jitter, so that candidates that failed together do not come back together.
      timer = runtime.setTimer(this.#wake, longestMs * (0.5 + runtime.random() / 2))
    })
  }

  #end(reason: unknown): void {
    if (this.#over) return
    this.#over = true
    this.#settle?.reject(reason)
    this.#settle = undefined
    this.#wake?.()
    this.#options.onOver(this)
  }

  /** A conditional delete may be repeated here, unlike elsewhere: the version is never used again, so it can't hit anything else. */
  async #giveUp(): Promise<void> {
    const { store, key, session } = this.#options
    for (let attempt = 1; session.live; attempt++) {
      try {
        const version = this.#leadership?.version ?? (this.#inDoubt ? await this.#leftover() : undefined)
        if (version !== undefined) await store.delete(key, { ifVersion: version })
        return
      } catch (error) {
        if (error instanceof ClosedError) return
        if (attempt === 3 || !(error instanceof CajunError)) throw error
      }
    }
  }

  /** The version of a leader key of our own session, of which we were never told. */
  async #leftover(): Promise<string | undefined> {
    const holder = await this.#options.store.get(this.key)
    return holder?.session === this.session.id ? holder.version : undefined
  }
}
