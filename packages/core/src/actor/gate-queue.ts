// What waits until a gate opens: actors that were to run, and hooks.

import { type Cell, SCHEDULED } from './cell.ts'

export class GateQueue {
  #cells: Cell[] = []
  #hooks: ((isOpen: boolean) => void)[] = []

  /** The actor counts as scheduled meanwhile, so that nothing schedules it a second time. */
  add(cell: Cell): void {
    this.#cells.push(cell)
  }

  /** Resolves with `false` when it will never open again. */
  whenOpen(): Promise<boolean> {
    return new Promise((resolve) => {
      this.#hooks.push(resolve)
    })
  }

  open(): void {
    const cells = this.#cells
    this.#cells = []
    for (const cell of cells) {
      cell.flags &= ~SCHEDULED
      cell.cohort.host.schedule(cell)
    }
    this.#release(true)
  }

  /** Hooks will not run. Actors stay: the gate may be replaced. */
  giveUp(): void {
    this.#release(false)
  }

  /** The actors are gone. */
  clear(): void {
    this.#cells = []
  }

  #release(isOpen: boolean): void {
    const hooks = this.#hooks
    this.#hooks = []
    for (const resolve of hooks) resolve(isOpen)
  }
}
