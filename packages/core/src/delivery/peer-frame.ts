// A frame and what hangs on it until it has left: whose turns its items come from (they leave only while that ownership holds),
// and which at-most-once messages end when it is handed over. Pure.

import { Frame, voidItem } from '../messaging/frame-writer.ts'
import type { OutEntry } from './out-entry.ts'
import type { Tenure } from './tenure.ts'

export class PeerFrame extends Frame {
  /** Items that only leave while their tenure may: parallel lists of tenure and position. */
  #tenures: Tenure[] | undefined = undefined
  #positions: number[] | undefined = undefined
  /** At-most-once messages: they have ended once the frame is with the transport. */
  endings: OutEntry[] | undefined = undefined

  gate(tenure: Tenure, itemAt: number): void {
    if (this.#tenures === undefined) {
      this.#tenures = [tenure]
      this.#positions = [itemAt]
    } else {
      this.#tenures.push(tenure)
      this.#positions?.push(itemAt)
    }
  }

  /**
   * Whether the frame may be handed to the transport now, asked each time that it is (sending again after a reconnect is leaving, too).
   * Items of discarded tenures are withdrawn in place; while one of a tenure that may not let anything leave is in it, the frame waits.
   */
  mayLeave(): boolean {
    const tenures = this.#tenures
    if (tenures === undefined) return true
    let last: Tenure | undefined
    for (let i = 0; i < tenures.length; i++) {
      const tenure = tenures[i] as Tenure
      if (tenure.isFenced) voidItem(this.bytes, this.#positions?.[i] as number)
      else if (tenure !== last && !tenure.mayLeaveNow()) return false
      last = tenure
    }
    return true
  }
}
