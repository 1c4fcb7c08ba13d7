// One direction of one proxied connection: reads from a socket, does to the bytes what the faults say, writes to another. Bounded: it stops
// reading above a limit, so that whoever sends notices.

import type { Socket } from 'node:net'
import type { Runtime, Timer } from '@cajun/core/adapter'
import type { FrameFaults, WayFaults } from './faults.ts'
import { DATA, MessageCutter } from './message-cutter.ts'
import type { FaultReport } from './report.ts'
import type { SeededRandom } from './seeded-random.ts'

const MAX_QUEUED_BYTES = 256 * 1_024

interface Piece {
  readonly bytes: Uint8Array
  readonly atMs: number
}

export interface PipeContext {
  readonly runtime: Runtime
  readonly random: SeededRandom
  readonly report: FaultReport
  /** Undefined: bytes are bytes. */
  readonly frameFaults: FrameFaults | undefined
}

export class Pipe {
  readonly #context: PipeContext
  readonly #from: Socket
  readonly #to: Socket
  /** Changed by the proxy; call `pump` after it. */
  readonly #faults: WayFaults
  readonly #cutter: MessageCutter | undefined
  #queue: Piece[] = []
  #queuedBytes = 0
  #ended = false
  #wake: Timer | undefined
  #clogged = false
  /** Throttle: bytes that may pass until the next refill. */
  #allowance = 0
  #refilledMs: number
  /** The connection breaks when this many more bytes went through. */
  #breakAfterBytes: number | undefined
  readonly #onBreak: () => void

  constructor(context: PipeContext, from: Socket, to: Socket, faults: WayFaults, onBreak: () => void) {
    this.#context = context
    this.#from = from
    this.#to = to
    this.#faults = faults
    this.#onBreak = onBreak
    this.#cutter = context.frameFaults === undefined ? undefined : new MessageCutter()
    this.#refilledMs = context.runtime.monotonicMs()
    from.on('data', (chunk) => this.#received(chunk))
    from.on('end', () => {
      this.#ended = true
      this.pump()
    })
    to.on('drain', () => {
      this.#clogged = false
      this.pump()
    })
  }

  /** Breaks the connection when `bytes` more have passed: in the middle of a frame, most likely. */
  breakAfter(bytes: number): void {
    this.#breakAfterBytes = bytes
  }

  close(): void {
    this.#wake?.cancel()
    this.#queue = []
    this.#queuedBytes = 0
  }

  /** Sends on what may go now. */
  pump(): void {
    this.#wake?.cancel()
    this.#wake = undefined
    const { runtime } = this.#context
    while (this.#queue.length > 0 && !this.#faults.held && !this.#clogged && !this.#to.destroyed) {
      const piece = this.#queue[0] as Piece
      const waitMs = Math.max(piece.atMs - runtime.monotonicMs(), this.#throttleWaitMs(piece.bytes.byteLength))
      if (waitMs > 0) {
        this.#wake = runtime.setTimer(() => this.pump(), waitMs)
        break
      }
      this.#queue.shift()
      this.#queuedBytes -= piece.bytes.byteLength
      if (this.#breaks(piece.bytes)) return
      this.#context.report.bytes += piece.bytes.byteLength
      if (!this.#to.write(piece.bytes)) this.#clogged = true
    }
    if (this.#queuedBytes >= MAX_QUEUED_BYTES) this.#from.pause()
    else if (this.#from.isPaused()) this.#from.resume()
    if (this.#ended && this.#queue.length === 0 && !this.#faults.held) this.#end()
  }

  #end(): void {
    const rest = this.#cutter?.rest()
    if (rest === undefined || rest.byteLength === 0) this.#to.end()
    else this.#to.end(rest)
  }

  #received(chunk: Uint8Array): void {
    const atMs = this.#context.runtime.monotonicMs() + this.#faults.delayMs
    for (const bytes of this.#cutter === undefined ? [chunk] : this.#disturbed(this.#cutter.push(chunk))) {
      this.#queue.push({ bytes, atMs })
      this.#queuedBytes += bytes.byteLength
    }
    this.pump()
  }

  /** Whole frames lost, repeated and moved among those that came together; handshake, heartbeats and bye stay where they are. */
  #disturbed(messages: Uint8Array[]): Uint8Array[] {
    const { frameFaults, random, report } = this.#context
    if (frameFaults === undefined || this.#faults.calm) return messages
    const result: Uint8Array[] = []
    // Frames move only among the frames since the last other message.
    let movableFrom = 0
    for (const message of messages) {
      if (message[0] !== DATA) {
        result.push(message)
        movableFrom = result.length
        continue
      }
      report.frames++
      if (random.chance(frameFaults.lose)) {
        report.lostFrames++
        continue
      }
      if (result.length > movableFrom && random.chance(frameFaults.reorder)) {
        result.splice(random.whole(movableFrom, result.length - 1), 0, message)
        report.reorderedFrames++
      } else {
        result.push(message)
      }
      if (random.chance(frameFaults.repeat)) {
        result.push(message)
        report.repeatedFrames++
      }
    }
    return result
  }

  #throttleWaitMs(bytes: number): number {
    const rate = this.#faults.bytesPerSecond
    if (rate === undefined) return 0
    const nowMs = this.#context.runtime.monotonicMs()
    // At most a tenth of a second is saved up.
    this.#allowance = Math.min(rate / 10, this.#allowance + ((nowMs - this.#refilledMs) * rate) / 1_000)
    this.#refilledMs = nowMs
    if (this.#allowance > 0) {
      this.#allowance -= bytes
      return 0
    }
    return Math.max(1, (-this.#allowance * 1_000) / rate)
  }

  #breaks(bytes: Uint8Array): boolean {
    if (this.#breakAfterBytes === undefined) return false
    if (bytes.byteLength < this.#breakAfterBytes) {
      this.#breakAfterBytes -= bytes.byteLength
      return false
    }
    this.#context.report.brokenMidway++
    this.#to.write(bytes.subarray(0, this.#breakAfterBytes), () => this.#onBreak())
    this.close()
    return true
  }
}
