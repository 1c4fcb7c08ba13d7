// One connection of the test network: two lanes of frames, one each way. It ends once, for both sides.

import { ProtocolError } from '../../src/errors.ts'
import type { MemoryMessagingSystem } from './memory-messaging-system.ts'
import type { MemoryNetwork } from './memory-network.ts'

class Lane {
  readonly from: MemoryMessagingSystem
  readonly to: MemoryMessagingSystem
  queue: Uint8Array[] = []
  bytes = 0
  congested = false
  scheduled = false

  constructor(from: MemoryMessagingSystem, to: MemoryMessagingSystem) {
    this.from = from
    this.to = to
  }
}

export class MemoryConnection {
  readonly #network: MemoryNetwork
  readonly #lanes: readonly [Lane, Lane]
  readonly #forget: () => void
  open = true

  constructor(network: MemoryNetwork, dialer: MemoryMessagingSystem, acceptor: MemoryMessagingSystem, forget: () => void) {
    this.#network = network
    this.#lanes = [new Lane(dialer, acceptor), new Lane(acceptor, dialer)]
    this.#forget = forget
  }

  joins(nodeId: string): boolean {
    return this.#lanes[0].from.local?.nodeId === nodeId || this.#lanes[0].to.local?.nodeId === nodeId
  }

  /** The one at the other end. */
  other(side: MemoryMessagingSystem): MemoryMessagingSystem {
    return this.#lane(side).to
  }

  bufferedBytes(side: MemoryMessagingSystem): number {
    return this.#lane(side).bytes
  }

  /** False: above the high-water mark. The frame is taken all the same. */
  send(side: MemoryMessagingSystem, frame: Uint8Array): boolean {
    const lane = this.#lane(side)
    lane.queue.push(frame.slice())
    lane.bytes += frame.byteLength
    this.#schedule(lane)
    if (lane.bytes > this.#network.options.highWaterMarkBytes) lane.congested = true
    return !lane.congested
  }

  /** Something that held frames back ended. */
  pump(): void {
    for (const lane of this.#lanes) if (lane.queue.length > 0) this.#schedule(lane)
  }

  /** Heartbeats: if the way is still cut, or a side still frozen, when the time is over, the connection ends. */
  watchSilence(): void {
    this.#lanes[0].from.runtime.setTimer(() => {
      if (this.open && (this.#silent(this.#lanes[0]) || this.#silent(this.#lanes[1]))) {
        this.break(new Error(`no heartbeat for ${this.#network.options.heartbeatTimeoutMs} ms`))
      }
    }, this.#network.options.heartbeatTimeoutMs)
  }

  /** What came from this node is not the protocol. */
  garbled(from: string): void {
    const lane = this.#lanes[0].from.nodeId === from ? this.#lanes[0] : this.#lanes[1]
    lane.to.malformed(lane.from.local)
    this.break(new ProtocolError('malformed bytes'))
  }

  /** Ends it for both sides; what was on the way is lost. */
  break(reason: Error): void {
    if (!this.open) return
    this.open = false
    this.#forget()
    for (const lane of this.#lanes) {
      lane.queue = []
      lane.bytes = 0
    }
    for (const lane of this.#lanes) lane.from.connectionLost(this, reason)
  }

  /** What was accepted arrives now; then it ends. */
  finish(side: MemoryMessagingSystem, reason: Error): void {
    const lane = this.#lane(side)
    if (this.open && !this.#blocked(lane)) this.#deliver(lane)
    this.break(reason)
  }

  #lane(from: MemoryMessagingSystem): Lane {
    return this.#lanes[0].from === from ? this.#lanes[0] : this.#lanes[1]
  }

  #silent(lane: Lane): boolean {
    return lane.from.frozen || lane.to.frozen || this.#network.isCut(lane.from.nodeId, lane.to.nodeId)
  }

  #blocked(lane: Lane): boolean {
    return this.#silent(lane) || this.#network.isStalled(lane.from.nodeId, lane.to.nodeId)
  }

  #schedule(lane: Lane): void {
    if (lane.scheduled) return
    lane.scheduled = true
    const run = () => {
      lane.scheduled = false
      if (this.open && !this.#blocked(lane)) this.#deliver(lane)
    }
    if (this.#network.options.latencyMs === 0) lane.to.runtime.nextTurn(run)
    else lane.to.runtime.setTimer(run, this.#network.options.latencyMs)
  }

  #deliver(lane: Lane): void {
    const frames = this.#withFaults(lane.queue)
    lane.queue = []
    lane.bytes = 0
    for (const frame of frames) {
      if (!this.open) return
      lane.to.receive(this, frame)
    }
    if (lane.congested && this.open) {
      lane.congested = false
      lane.from.drained(this)
    }
  }

  #withFaults(frames: Uint8Array[]): Uint8Array[] {
    const { lose, repeat, reorder } = this.#network.faults
    if (lose === 0 && repeat === 0 && reorder === 0) return frames
    const result: Uint8Array[] = []
    for (const frame of frames) {
      if (this.#network.chance(lose)) continue
      const place = this.#network.chance(reorder) ? Math.floor(this.#network.random() * (result.length + 1)) : result.length
      result.splice(place, 0, frame)
      if (this.#network.chance(repeat)) result.push(frame.slice())
    }
    return result
  }
}
