// This node's standing for leadership: campaigns as long as it has a session, says when it leads and when that is over, and lets others go
// first after it was deposed or stepped down. What a leader does is `leader.ts`.
//
//   idle ──session──> standing ──elected──> leading ──session lost / key gone / stepped down──> idle

import { ClosedError, SessionLostError } from '../errors.ts'
import type { Campaign, Leadership, MetadataStore } from '../metadata/metadata-store.ts'
import type { Session } from '../metadata/session.ts'
import type { Runtime, Timer } from '../runtime/runtime.ts'

export interface CandidacyOptions {
  readonly runtime: Runtime
  readonly store: Pick<MetadataStore, 'campaign'>
  readonly key: string
  /** What the leader key holds. */
  readonly value: () => string
  readonly onElected: (leadership: Leadership) => void
  readonly onDeposed: () => void
  readonly onError: (error: unknown) => void
}

/** After stepping down: long enough for the others to be elected. */
const LET_OTHERS_GO_FIRST_MS = 1_000

export class Candidacy {
  readonly #options: CandidacyOptions
  #session: Session | undefined
  #campaign: Campaign | undefined
  #leadership: Leadership | undefined
  #retry: Timer | undefined

  constructor(options: CandidacyOptions) {
    this.#options = options
  }

  get leadership(): Leadership | undefined {
    return this.#leadership
  }

  /** There is a session to stand with. */
  stand(session: Session): void {
    this.withdraw()
    this.#session = session
    this.#campaignNow()
  }

  /** The session is over, or this node stops: nothing that was led by it may be written any more. Resolves when the key is given up, where it can be. */
  async withdraw(): Promise<void> {
    this.#session = undefined
    await this.#end()
  }

  /** Gives leadership up (or the hope of it), and stands again a little later. */
  async stepDown(): Promise<void> {
    const session = this.#session
    const ended = this.#end()
    if (session !== undefined) this.#standLater(LET_OTHERS_GO_FIRST_MS)
    await ended
  }

  /** The leader key as a watch or read shows it. Another version than ours: somebody deleted it, and the leadership is over. */
  keySeen(version: string | undefined): void {
    if (this.#leadership !== undefined && version !== this.#leadership.version) void this.stepDown()
  }

  #campaignNow(): void {
    this.#retry?.cancel()
    this.#retry = undefined
    const session = this.#session
    if (session === undefined || this.#campaign !== undefined || session.lost.aborted) return
    let campaign: Campaign
    try {
      campaign = this.#options.store.campaign(this.#options.key, session, this.#options.value())
    } catch (error) {
      // The former campaign of this session has not ended yet.
      this.#options.onError(error)
      return this.#standLater(LET_OTHERS_GO_FIRST_MS / 4)
    }
    this.#campaign = campaign
    campaign.elected.then(
      (leadership) => this.#elected(campaign, leadership),
      (error: unknown) => this.#failed(campaign, error),
    )
  }

  #elected(campaign: Campaign, leadership: Leadership): void {
    if (this.#campaign !== campaign) return
    this.#leadership = leadership
    this.#options.onElected(leadership)
  }

  #failed(campaign: Campaign, error: unknown): void {
    if (this.#campaign !== campaign) return
    this.#campaign = undefined
    if (!(error instanceof SessionLostError || error instanceof ClosedError)) this.#options.onError(error)
    this.#standLater(LET_OTHERS_GO_FIRST_MS)
  }

  #standLater(delayMs: number): void {
    this.#retry?.cancel()
    this.#retry = this.#options.runtime.setTimer(() => this.#campaignNow(), delayMs * (0.75 + this.#options.runtime.random() / 2))
  }

  async #end(): Promise<void> {
    this.#retry?.cancel()
    this.#retry = undefined
    const campaign = this.#campaign
    const led = this.#leadership !== undefined
    this.#campaign = undefined
    this.#leadership = undefined
    if (led) this.#options.onDeposed()
    try {
      await campaign?.resign()
    } catch (error) {
      this.#options.onError(error)
    }
  }
}
