// One connection between two processes: a lane of frames each way. Owns what a transport may lose, repeat, delay and reorder; the contract in
// core's messaging-system.ts says what it must keep: while a side sees the peer up, no frame vanishes between two that arrive.

import type { PeerId } from '@cajun/core/adapter'
import type { SimulatedProcess } from './host.ts'
import { peerOf, type SimulatedMessaging } from './messaging.ts'
import type { SimulatedNetwork } from './network.ts'

interface Parcel {
  /** `undefined`: the news that the connection is up. */
  readonly frame: Uint8Array | undefined
}

const KEPT_AFTER_BREAK_MS = 10_000

/** One direction. */
class Lane {
  readonly from: SimulatedMessaging
  readonly to: SimulatedMessaging
  /** The last arrival that was set: an ordered lane lets nothing overtake. */
  lastArrivalMs = 0
  upAtMs = 0
  inFlightBytes = 0
  /** Where nothing overtakes: each arrival takes the first of these, whichever it was set for. */
  readonly line: Parcel[] = []
  /** Came to a cut, and wait for its mend. */
  held: Parcel[] = []
  /** Frames that would arrive after it are lost. */
  endsAtMs = Number.POSITIVE_INFINITY
  wasFull = false
  /** The receiving side was told that the connection is up, and not yet that it is down. */
  isUp = false
  isDown = false

  /** Who they were when the connection was made: a process may take another process id. */
  readonly sender: PeerId
  readonly receiver: PeerId

  constructor(from: SimulatedMessaging, to: SimulatedMessaging) {
    this.from = from
    this.to = to
    this.sender = peerOf(from)
    this.receiver = peerOf(to)
  }
}

export class Connection {
  readonly #network: SimulatedNetwork
  readonly #lanes: readonly [Lane, Lane]
  #broken = false

  constructor(network: SimulatedNetwork, dialler: SimulatedMessaging, acceptor: SimulatedMessaging) {
    this.#network = network
    this.#lanes = [new Lane(dialler, acceptor), new Lane(acceptor, dialler)]
  }

  get isBroken(): boolean {
    return this.#broken
  }

  /** Something on it arrives later than the usual latency explains. */
  get isSlow(): boolean {
    const { loop, profile } = this.#network
    return this.#lanes.some((lane) => lane.lastArrivalMs > loop.nowMs + 30 * profile.latencyMs)
  }

  isBetween(a: SimulatedMessaging, b: SimulatedMessaging): boolean {
    const [{ from, to }] = this.#lanes
    return (from === a && to === b) || (from === b && to === a)
  }

  get hosts(): readonly [string, string] {
    const [{ from, to }] = this.#lanes
    return [from.nodeId, to.nodeId]
  }

  /** The acceptor is up first; the dialler when that news has come to it, ahead of every frame. */
  open(): void {
    this.#network.opened(this)
    const [out, back] = this.#lanes
    out.to.process.post(() => {
      if (this.#broken || out.to.isStopped) return this.break('refused')
      this.#dispatch(back, { frame: undefined })
      this.#up(out)
    })
  }

  /** The bytes that this side has handed over and that have not arrived. */
  bufferedBytes(from: SimulatedMessaging): number {
    return this.#laneFrom(from).inFlightBytes
  }

  send(from: SimulatedMessaging, frame: Uint8Array): boolean {
    const lane = this.#laneFrom(from)
    const { profile, random, observer } = this.#network
    // A copy: whoever goes on writing into bytes that were handed over would be seen by the other side.
    const sent = frame.slice()
    lane.inFlightBytes += sent.length
    observer?.onFrame?.(lane.from.process, lane.to.process, sent, 'sent')
    this.#dispatch(lane, { frame: sent })
    if (!profile.ordered && random.chance(profile.duplicateChance)) {
      lane.inFlightBytes += sent.length
      this.#dispatch(lane, { frame: sent.slice() })
    }
    if (lane.inFlightBytes <= profile.highWaterBytes) return true
    lane.wasFull = true
    return false
  }

  /** Both sides learn of it, each in its own time; each lane loses what would have arrived after some moment. */
  break(reason: string, how: { readonly decidedBy?: SimulatedMessaging; readonly gracefulBy?: SimulatedMessaging } = {}): void {
    if (this.#broken) return
    this.#broken = true
    const { loop, random } = this.#network
    for (const lane of this.#lanes) {
      const latencyMs = this.#network.latencyMs(lane.from.nodeId, lane.to.nodeId)
      let newsMs = this.#canPass(lane) ? latencyMs : random.between(0.1, 0.4) * this.#network.profile.heartbeatTimeoutMs
      if (lane.to === how.decidedBy) newsMs = 0
      if (lane.from === how.gracefulBy) {
        // Everything that was accepted is written before the end.
        newsMs = Math.max(latencyMs, lane.lastArrivalMs - loop.nowMs)
        lane.endsAtMs = loop.nowMs + newsMs
      } else lane.endsAtMs = loop.nowMs + Math.min(newsMs, latencyMs * random.unit())
      if (this.#network.profile.ordered) lane.held = []
      loop.after(newsMs, () => lane.to.process.post(() => this.#down(lane, reason)))
    }
    // Kept that long for what waits at a cut and outlives its connection.
    loop.after(KEPT_AFTER_BREAK_MS, () => this.#network.forgotten(this))
  }

  /** A cut begins: if it lasts, the side that hears nothing gives up. */
  checkSilence(from: string, to: string): void {
    const lane = this.#lanes.find((each) => each.from.nodeId === from && each.to.nodeId === to)
    if (lane === undefined) return
    const path = this.#network.path(from, to)
    this.#giveUpUnless(() => path.cuts === 0, lane)
  }

  checkSilenceOf(process: SimulatedProcess): void {
    const lane = this.#lanes.find((each) => each.from.process === process)
    if (lane !== undefined) this.#giveUpUnless(() => !process.isPaused, lane)
  }

  /** A cut is mended: what waited at it goes on. */
  release(from: string, to: string): void {
    const lane = this.#lanes.find((each) => each.from.nodeId === from && each.to.nodeId === to)
    if (lane === undefined || lane.held.length === 0) return
    const { held } = lane
    lane.held = []
    for (const parcel of held) this.#schedule(lane, parcel)
  }

  crashed(process: SimulatedProcess, silent: boolean): void {
    const lane = this.#lanes.find((each) => each.from.process === process)
    if (lane === undefined) return
    if (silent) this.#network.loop.after(this.#patienceMs(), () => this.break('silence'))
    else this.break('the peer is gone')
  }

  #patienceMs(): number {
    const { random, profile } = this.#network
    return profile.heartbeatTimeoutMs * random.between(0.35, 0.55)
  }

  #giveUpUnless(over: () => boolean, lane: Lane): void {
    // Looked at now and then, as heartbeats are: two short silences are not one long one.
    const endsAtMs = this.#network.loop.nowMs + this.#patienceMs()
    const look = (): void => {
      if (this.#broken || over()) return
      const { nowMs } = this.#network.loop
      if (nowMs >= endsAtMs) {
        this.#network.marks.reach('connection given up after silence')
        this.break('silence', { decidedBy: lane.to })
      } else this.#network.loop.at(Math.min(endsAtMs, nowMs + this.#network.profile.heartbeatTimeoutMs / 4), look)
    }
    look()
  }

  #laneFrom(from: SimulatedMessaging): Lane {
    return this.#lanes[0].from === from ? this.#lanes[0] : this.#lanes[1]
  }

  #canPass(lane: Lane): boolean {
    return this.#network.path(lane.from.nodeId, lane.to.nodeId).cuts === 0
  }

  #dispatch(lane: Lane, parcel: Parcel): void {
    if (this.#network.profile.ordered) lane.line.push(parcel)
    this.#schedule(lane, parcel)
  }

  #schedule(lane: Lane, parcel: Parcel): void {
    const { loop, profile } = this.#network
    let arrivalMs = loop.nowMs + this.#network.latencyMs(lane.from.nodeId, lane.to.nodeId)
    arrivalMs = Math.max(arrivalMs, profile.ordered ? lane.lastArrivalMs : lane.upAtMs)
    lane.lastArrivalMs = Math.max(lane.lastArrivalMs, arrivalMs)
    // Nothing overtakes the news that the connection is up, whatever the transport.
    if (parcel.frame === undefined) lane.upAtMs = arrivalMs
    loop.at(arrivalMs, () => this.#arrive(lane, parcel))
  }

  #arrive(lane: Lane, scheduled: Parcel): void {
    if (lane.to.process.isCrashed) return
    const { ordered } = this.#network.profile
    if (ordered && !this.#canPass(lane) && !this.#broken) {
      lane.held.push(scheduled)
      return
    }
    const parcel = ordered ? (lane.line.shift() ?? scheduled) : scheduled
    // A broker keeps what was handed to it: it comes later, if the same two processes are up again.
    const outlives = !this.#network.profile.ordered && parcel.frame !== undefined
    if (this.#network.loop.nowMs > lane.endsAtMs && !outlives) return this.#lose(lane, parcel)
    if (!this.#canPass(lane)) {
      if (this.#broken && !outlives) this.#lose(lane, parcel)
      else lane.held.push(parcel)
      return
    }
    lane.to.process.post(() => {
      const { frame } = parcel
      if (frame === undefined) {
        if (!lane.isDown && !this.#broken) this.#up(lane)
        return
      }
      this.#landed(lane, frame)
      const up = outlives ? lane.to.isUpWith(lane.sender) : lane.isUp
      if (!up) return this.#lose(lane, parcel)
      this.#network.observer?.onFrame?.(lane.from.process, lane.to.process, frame, 'arrived')
      lane.to.receive(lane.sender, frame)
    })
  }

  #lose(lane: Lane, parcel: Parcel): void {
    if (parcel.frame === undefined) return
    this.#network.marks.reach('frame lost with its connection')
    this.#network.observer?.onFrame?.(lane.from.process, lane.to.process, parcel.frame, 'lost')
  }

  #landed(lane: Lane, frame: Uint8Array): void {
    lane.inFlightBytes -= frame.length
    if (!lane.wasFull || lane.inFlightBytes > this.#network.profile.highWaterBytes / 2) return
    lane.wasFull = false
    this.#network.marks.reach('back-pressure of a transport')
    lane.from.process.post(() => lane.from.drained(lane.receiver, this))
  }

  #up(lane: Lane): void {
    lane.isUp = true
    lane.to.connectionUp(this, lane.from, lane.sender, lane.receiver)
  }

  #down(lane: Lane, reason: string): void {
    if (lane.isDown) return
    lane.isDown = true
    lane.isUp = false
    lane.to.connectionDown(this, lane.sender, reason)
  }

  /** One side closes it by itself: that side knows at once. */
  close(by: SimulatedMessaging, reason: string, graceful = false): void {
    for (const lane of this.#lanes) {
      if (lane.to !== by || lane.isDown) continue
      lane.isDown = true
      lane.isUp = false
    }
    this.break(reason, graceful ? { gracefulBy: by } : {})
  }
}
