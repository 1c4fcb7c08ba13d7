// Who stands in the doorway: incoming sockets of whom it is not known yet who they are. How many there may be, in all and from one address, and
// for how long. It counts from the first packet, so that TLS and HTTP handshakes are included. No sockets: they are closed by who let them in.

import type { Runtime, Timer } from '@cajun/core/adapter'

export interface DoorwayLimits {
  readonly runtime: Runtime
  readonly maxPendingConnections: number
  readonly maxPendingPerAddress: number
  readonly connectTimeoutMs: number
}

export class Doorway {
  readonly #limits: DoorwayLimits
  readonly #byAddress = new Map<string, number>()
  #count = 0

  constructor(limits: DoorwayLimits) {
    this.#limits = limits
  }

  /** Undefined: there is no room; close it. `onLate` is called when it has stood there too long, and has left by then. */
  enter(address: string, onLate: () => void): Entrant | undefined {
    const { runtime, maxPendingConnections, maxPendingPerAddress, connectTimeoutMs } = this.#limits
    const same = this.#byAddress.get(address) ?? 0
    if (this.#count >= maxPendingConnections || same >= maxPendingPerAddress) return undefined
    this.#count++
    this.#byAddress.set(address, same + 1)
    const entrant: Entrant = new Entrant(
      runtime.setTimer(() => {
        entrant.leave()
        onLate()
      }, connectTimeoutMs),
      () => this.#left(address),
    )
    return entrant
  }

  #left(address: string): void {
    this.#count--
    const others = (this.#byAddress.get(address) ?? 1) - 1
    if (others === 0) this.#byAddress.delete(address)
    else this.#byAddress.set(address, others)
  }
}

export class Entrant {
  readonly #late: Timer
  readonly #onLeft: () => void
  /** Until it is known who it is, or it is gone. */
  isPending = true

  constructor(late: Timer, onLeft: () => void) {
    this.#late = late
    this.#onLeft = onLeft
  }

  /** Known, or gone. Idempotent. */
  leave(): void {
    if (!this.isPending) return
    this.isPending = false
    this.#late.cancel()
    this.#onLeft()
  }
}
