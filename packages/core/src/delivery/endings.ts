// How messages of one peer ended here, on the way back to it: acknowledgements as ranges of ids, and outcomes one by one. They wait, by tenure,
// until the peer is flushed, and leave only while their tenure may: what ended while it was suspended leaves under the epoch it is resumed with. Pure.

import { ITEM_ACKS, ITEM_OUTCOME } from '../messaging/frame-format.ts'
import type { FrameWriter } from '../messaging/frame-writer.ts'
import type { PeerFrame } from './peer-frame.ts'
import type { Tenure } from './tenure.ts'

const RUNS_PER_ITEM = 2_000
const MAX_RUN_BYTES = 16

interface Outcome {
  readonly id: number
  readonly outcome: number
  readonly bytes: Uint8Array
  readonly onReceipted: (() => void) | undefined
}

interface ToReceipt {
  readonly frame: PeerFrame
  readonly onReceipted: () => void
}

class Batch {
  readonly tenure: Tenure
  ids: number[] = []
  outcomes: Outcome[] = []
  isSorted = true
  isTouched = false

  constructor(tenure: Tenure) {
    this.tenure = tenure
  }
}

export class Endings {
  readonly #batches = new Map<Tenure, Batch>()
  #touched: Batch[] = []
  #last: Batch | undefined
  /** In the order of their frames. */
  readonly #toReceipt: ToReceipt[] = []

  /** A message's turn has ended. */
  acknowledge(tenure: Tenure, id: number): void {
    const batch = this.#batch(tenure)
    const ids = batch.ids
    if (ids.length > 0 && (ids[ids.length - 1] as number) >= id) batch.isSorted = false
    ids.push(id)
  }

  /** `onReceipted`: the peer has it. Not called when the link is lost before. */
  outcome(tenure: Tenure, id: number, outcome: number, bytes: Uint8Array, onReceipted?: () => void): void {
    this.#batch(tenure).outcomes.push({ id, outcome, bytes, onReceipted })
  }

  /** The peer has taken every frame up to this number. */
  receipted(seq: number): void {
    const toReceipt = this.#toReceipt
    while (toReceipt.length > 0) {
      const { frame, onReceipted } = toReceipt[0] as ToReceipt
      if (frame.seq === 0 || frame.seq > seq) return
      toReceipt.shift()
      onReceipted()
    }
  }

  linkLost(): void {
    this.#toReceipt.length = 0
  }

  get isEmpty(): boolean {
    return this.#touched.length === 0
  }

  /** Writes what may leave. The rest is held. */
  write(writer: FrameWriter<PeerFrame>): void {
    if (this.#touched.length === 0) return
    const touched = this.#touched
    this.#touched = []
    for (const batch of touched) {
      if (batch.tenure.isFenced) {
        this.#drop(batch)
      } else if (!batch.tenure.mayLeaveNow()) {
        this.#touched.push(batch)
      } else {
        this.#acks(writer, batch)
        this.#outcomes(writer, batch)
        batch.isTouched = false
        if (batch.tenure.state === 'discarded') this.#drop(batch)
      }
    }
  }

  /** The peer's process is gone: nobody wants to hear any of it. */
  clear(): void {
    this.#batches.clear()
    this.#touched = []
    this.#last = undefined
  }

  #batch(tenure: Tenure): Batch {
    let batch = this.#last
    if (batch?.tenure !== tenure) {
      batch = this.#batches.get(tenure)
      if (batch === undefined) {
        batch = new Batch(tenure)
        this.#batches.set(tenure, batch)
      }
      this.#last = batch
    }
    if (!batch.isTouched) {
      batch.isTouched = true
      this.#touched.push(batch)
    }
    return batch
  }

  #drop(batch: Batch): void {
    this.#batches.delete(batch.tenure)
    if (this.#last === batch) this.#last = undefined
  }

  #acks(writer: FrameWriter<PeerFrame>, batch: Batch): void {
    const ids = batch.ids
    if (ids.length === 0) return
    if (!batch.isSorted) ids.sort((a, b) => a - b)
    batch.isSorted = true
    const starts: number[] = []
    const lengths: number[] = []
    let at = 0
    while (at < ids.length) {
      const start = ids[at] as number
      let end = start
      while (++at < ids.length && (ids[at] as number) <= end + 1) end = ids[at] as number
      starts.push(start)
      lengths.push(end - start + 1)
    }
    batch.ids = []
    for (let first = 0; first < starts.length; first += RUNS_PER_ITEM) {
      const count = Math.min(RUNS_PER_ITEM, starts.length - first)
      const frame = writer.reserve(24 + count * MAX_RUN_BYTES)
      frame.gate(batch.tenure, writer.at)
      writer.byte(ITEM_ACKS)
      writer.varint(batch.tenure.epoch)
      writer.varint(count)
      let previousEnd = 0
      for (let i = first; i < first + count; i++) {
        const start = starts[i] as number
        const length = lengths[i] as number
        writer.varint(start - previousEnd)
        writer.varint(length)
        previousEnd = start + length
      }
    }
  }

  #outcomes(writer: FrameWriter<PeerFrame>, batch: Batch): void {
    const outcomes = batch.outcomes
    if (outcomes.length === 0) return
    batch.outcomes = []
    for (const { id, outcome, bytes, onReceipted } of outcomes) {
      const frame = writer.reserve(32 + bytes.length)
      if (onReceipted !== undefined) this.#toReceipt.push({ frame, onReceipted })
      frame.gate(batch.tenure, writer.at)
      writer.byte(ITEM_OUTCOME)
      writer.varint(batch.tenure.epoch)
      writer.varint(id)
      writer.byte(outcome)
      writer.block(bytes, 0, bytes.length)
    }
  }
}
