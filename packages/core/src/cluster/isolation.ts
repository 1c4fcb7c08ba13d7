// Whether this node is cut off from its peers although the store still knows it: then it leaves, so that its shards move to where they can be
// reached, and comes back when a peer answers, when nobody else is left, or to try again after a while. Pure: asked regularly, answers what to do.

export interface IsolationOptions {
  readonly isolationMs: number
  /** Between 0 and 1: spreads the decision, so that of two nodes that lost each other one goes first and the other stays. */
  readonly jitter: number
}

export interface IsolationLook {
  readonly nowMs: number
  readonly registered: boolean
  readonly storeReachable: boolean
  /** Other registered nodes, and how many of them can be reached. */
  readonly others: number
  readonly reachable: number
  readonly leads: boolean
}

/** The longest that a node keeps out before it tries again. */
const LONGEST_ABSENCE_MS = 300_000

export class IsolationWatch {
  readonly #options: IsolationOptions
  #aloneSinceMs: number | undefined
  #leftAtMs: number | undefined
  #absenceMs: number

  constructor(options: IsolationOptions) {
    this.#options = options
    this.#absenceMs = 2 * options.isolationMs
  }

  look(look: IsolationLook): 'stay' | 'leave' | 'return' {
    if (this.#leftAtMs !== undefined) return this.#whileAway(look, this.#leftAtMs)
    const alone = look.registered && look.storeReachable && look.others > 0 && look.reachable === 0
    if (!alone) {
      this.#aloneSinceMs = undefined
      if (look.reachable > 0) this.#absenceMs = 2 * this.#options.isolationMs
      return 'stay'
    }
    this.#aloneSinceMs ??= look.nowMs
    // Of two nodes that can't reach each other the leader stays, if only one of them leads.
    const boundMs = this.#options.isolationMs * (1 + this.#options.jitter / 4 + (look.leads && look.others === 1 ? 1 : 0))
    if (look.nowMs - this.#aloneSinceMs < boundMs) return 'stay'
    this.#aloneSinceMs = undefined
    this.#leftAtMs = look.nowMs
    return 'leave'
  }

  #whileAway(look: IsolationLook, leftAtMs: number): 'stay' | 'return' {
    const tryAgain = look.nowMs - leftAtMs >= this.#absenceMs
    // Others are seen by the store alone: nobody left there means that somebody has to be.
    if (look.reachable === 0 && look.others > 0 && !tryAgain) return 'stay'
    this.#leftAtMs = undefined
    this.#absenceMs = Math.min(LONGEST_ABSENCE_MS, this.#absenceMs * 2)
    return 'return'
  }
}
