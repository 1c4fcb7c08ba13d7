// What a case works with: processes on one network that are stopped after it, frames that can be recognised, and waiting that always has an end.

import assert from 'node:assert/strict'
import { type MessagingCapabilities, newIdentity, nodeRuntime, type Runtime } from '@cajun/core/adapter'
import type { MessagingContractOptions, MessagingHarness, SystemOptions } from './harness.ts'
import { Party } from './party.ts'

export class MessagingContext {
  readonly harness: MessagingHarness
  readonly options: MessagingContractOptions
  readonly capabilities: MessagingCapabilities
  readonly runtime: Runtime
  /** How much later than promised something may be seen: a loaded machine runs late, a virtual clock never. */
  readonly slackMs: number
  /** For what happens without any waiting by design; long, so that a loaded machine breaks no promise. */
  readonly promptMs = 5_000
  readonly #clusterId: string
  readonly #parties: Party[] = []
  #exchanges = 7_000

  constructor(harness: MessagingHarness, options: MessagingContractOptions) {
    this.harness = harness
    this.options = options
    this.capabilities = options.capabilities
    this.runtime = harness.runtime ?? nodeRuntime
    this.slackMs = harness.advance === undefined ? 1_000 : 50
    this.#clusterId = options.clusterId ?? `contract-${newIdentity(this.runtime)}`
  }

  /** A process that is not started. Each has a process id of its own. */
  create(nodeId: string, options: SystemOptions = {}): Party {
    const identity = { clusterId: options.clusterId ?? this.#clusterId, nodeId, processId: newIdentity(this.runtime) }
    const party = new Party(this.harness.system(nodeId, options), identity)
    this.#parties.push(party)
    return party
  }

  async start(nodeId: string, options?: SystemOptions): Promise<Party> {
    const party = this.create(nodeId, options)
    await party.start()
    return party
  }

  /** `from` wants a connection to `to`. `as` changes whom it believes to find there. */
  async connect(from: Party, to: Party, as: { readonly processId?: string } = {}): Promise<void> {
    const address = (await this.harness.route?.(from.nodeId, to.nodeId, to.address)) ?? to.address
    from.system.connect({ ...to.at(address), ...as })
  }

  /** Two processes, connected by the first, that see each other. */
  async pair(): Promise<[a: Party, b: Party]> {
    const [a, b] = await Promise.all([this.start('a'), this.start('b')])
    await this.connect(a, b)
    await this.bothUp(a, b)
    return [a, b]
  }

  async bothUp(a: Party, b: Party, withinMs: number = this.promptMs): Promise<void> {
    await this.eventually(withinMs, () => {
      assert.ok(a.sees(b), `${a.nodeId} was not told that ${b.nodeId} is up`)
      assert.ok(b.sees(a), `${b.nodeId} was not told that ${a.nodeId} is up`)
    })
  }

  async bothDown(a: Party, b: Party, withinMs: number = this.promptMs): Promise<void> {
    await this.eventually(withinMs, () => {
      assert.ok(!a.sees(b), `${a.nodeId} was not told that ${b.nodeId} went down`)
      assert.ok(!b.sees(a), `${b.nodeId} was not told that ${a.nodeId} went down`)
    })
  }

  /** Frames go both ways. */
  async exchange(a: Party, b: Party): Promise<void> {
    // Numbers of their own, or an earlier exchange would vouch for this one.
    const there = this.frame(64, ++this.#exchanges)
    const back = this.frame(64, ++this.#exchanges)
    assert.ok(a.system.send(b.nodeId, there), `${a.nodeId} could not send to ${b.nodeId}`)
    assert.ok(b.system.send(a.nodeId, back), `${b.nodeId} could not send to ${a.nodeId}`)
    await this.eventually(this.promptMs, () => {
      assert.ok(
        b.frames(a).some((frame) => sameBytes(frame, there)),
        `the frame of ${a.nodeId} did not reach ${b.nodeId}`,
      )
      assert.ok(
        a.frames(b).some((frame) => sameBytes(frame, back)),
        `the frame of ${b.nodeId} did not reach ${a.nodeId}`,
      )
    })
  }

  /** Bytes that follow from size and number, so that any alteration shows. From 4 bytes on they begin with the number. */
  frame(bytes: number, number: number): Uint8Array {
    const frame = new Uint8Array(bytes)
    let state = (number + 1) * 0x9e37_79b1
    for (let i = 0; i < bytes; i++) {
      state = (Math.imul(state, 1_664_525) + 1_013_904_223) | 0
      frame[i] = state >>> 24
    }
    if (bytes >= 4) new DataView(frame.buffer).setUint32(0, number)
    return frame
  }

  number(frame: Uint8Array): number {
    return new DataView(frame.buffer, frame.byteOffset, frame.byteLength).getUint32(0)
  }

  sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      this.runtime.setTimer(resolve, ms)
    })
  }

  /** Lets other turns of the event loop run. */
  turn(): Promise<void> {
    return new Promise((resolve) => {
      this.runtime.nextTurn(resolve)
    })
  }

  /** The outcome of `promise`, or a failure when it has none after `ms`. */
  async within<T>(ms: number, what: string, promise: Promise<T>): Promise<T> {
    const late = Symbol('late')
    let cancel = (): void => {}
    const timeout = new Promise<typeof late>((resolve) => {
      const timer = this.runtime.setTimer(() => resolve(late), ms + this.slackMs)
      cancel = () => timer.cancel()
    })
    try {
      const outcome = await Promise.race([promise, timeout])
      if (outcome === late) assert.fail(`${what}: nothing happened within ${ms + this.slackMs} ms`)
      return outcome as T
    } finally {
      cancel()
    }
  }

  /** Repeats `check` until it throws no more; fails with what it threw last when that takes longer than `ms`. */
  async eventually(ms: number, check: () => void): Promise<void> {
    const untilMs = this.runtime.monotonicMs() + ms + this.slackMs
    for (;;) {
      try {
        check()
        return
      } catch (error) {
        if (this.runtime.monotonicMs() >= untilMs) throw error
      }
      await this.sleep(2)
    }
  }

  /** The error that `promise` rejects with, in time. */
  async rejection(ms: number, what: string, promise: Promise<unknown>): Promise<Error & { readonly code?: string }> {
    const outcome = await this.within(
      ms,
      what,
      promise.then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      ),
    )
    if (!('error' in outcome)) assert.fail(`${what} resolved; it should have been rejected`)
    return outcome.error as Error
  }

  async dispose(): Promise<void> {
    for (const a of this.#parties) for (const b of this.#parties) if (a !== b) await this.harness.restore?.(a.nodeId, b.nodeId)
    for (const party of this.#parties) await this.harness.thaw?.(party.nodeId)
    await Promise.all(this.#parties.map((party) => party.stop()))
    await this.turn()
    for (const party of this.#parties) {
      assert.deepEqual(party.lateEvents, [], `promise 14: ${party.nodeId} got events after stop`)
      party.checkInvariants()
    }
  }
}

export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0
}
