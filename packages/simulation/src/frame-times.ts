// When what turns caused left its process: the first time that a frame was handed to the transport, however often it is handed over again. Messages are
// found in frames by their marks, acknowledgements and replies by the frame that brought them to their caller.

import type { History } from './history.ts'
import type { SimulatedProcess } from './host.ts'
import type { SimulationLoop } from './loop.ts'
import type { NetworkObserver } from './network.ts'
import { markOf } from './recording-actors.ts'

const FLAG_NUMBERED = 1
const MARK = Buffer.from(markOf(0).slice(0, -2))

export class FrameTimes implements NetworkObserver {
  readonly #loop: SimulationLoop
  readonly #history: History
  readonly #problemOf: (message: number, process: string, atMs: number) => string | undefined
  readonly #sentMs = new Map<string, number>()
  readonly #marked = new Set<number>()
  /** The id of the link's state, by direction. */
  readonly #links = new Map<string, number>()
  readonly #onLinkLost: () => void
  /** The frame that arrived in the event in hand. */
  #arrived: { readonly event: number; readonly from: string; readonly to: string; readonly sentMs: number } | undefined

  /** `problemOf`: why nothing that the turn of a message caused may have left that process at that time. */
  constructor(
    loop: SimulationLoop,
    history: History,
    problemOf: (message: number, process: string, atMs: number) => string | undefined,
    onLinkLost: () => void,
  ) {
    this.#onLinkLost = onLinkLost
    this.#loop = loop
    this.#history = history
    this.#problemOf = problemOf
  }

  onFrame(from: SimulatedProcess, to: SimulatedProcess, frame: Uint8Array, event: 'sent' | 'arrived' | 'lost'): void {
    const header = new DataView(frame.buffer, frame.byteOffset)
    if (event === 'lost' || (header.getUint8(1) & FLAG_NUMBERED) === 0) return
    const link = `${from.name}>${to.name}`
    const linkId = header.getUint32(2, true)
    const known = this.#links.get(link)
    if (known !== undefined && known !== linkId) this.#onLinkLost()
    this.#links.set(link, linkId)
    const key = `${from.name}>${to.name} ${header.getUint32(2, true)} ${header.getUint32(10, true)}`
    if (event === 'sent') {
      if (this.#sentMs.has(key)) return
      this.#sentMs.set(key, this.#loop.nowMs)
      this.#findMarks(from.name, frame)
    } else {
      const sentMs = this.#sentMs.get(key) ?? this.#loop.nowMs
      this.#arrived = { event: this.#loop.executed, from: from.name, to: to.name, sentMs }
    }
  }

  /** A caller was told in the event in hand. By a frame from elsewhere, if one arrived in it. */
  told(message: number, what: 'acknowledgement' | 'reply'): void {
    const arrived = this.#arrived
    if (arrived?.event !== this.#loop.executed || arrived.to !== this.#history.sends[message]?.source) return
    this.#departed(what, message, arrived.from, arrived.sentMs)
  }

  #findMarks(process: string, frame: Uint8Array): void {
    const bytes = Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength)
    for (let at = bytes.indexOf(MARK); at >= 0; at = bytes.indexOf(MARK, at + 1)) {
      const message = Number(bytes.toString('latin1', at + MARK.length, bytes.indexOf('>', at)))
      const cause = this.#history.sends[message]?.insideOf
      if (cause === undefined || this.#marked.has(message)) continue
      this.#marked.add(message)
      this.#departed('message', cause, process, this.#loop.nowMs, message)
    }
  }

  #departed(what: 'acknowledgement' | 'reply' | 'message', message: number, process: string, atMs: number, sent?: number): void {
    this.#history.departed({ what, message, sent, process, atMs, problem: this.#problemOf(message, process, atMs) })
  }
}
