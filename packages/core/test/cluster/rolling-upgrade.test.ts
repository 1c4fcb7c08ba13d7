// Releases that speak different versions of the protocol in one cluster. There is only one version yet; the second is made up here.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { defineActor } from '../../src/actor/definition.ts'
import type { ClusterActorSystem } from '../../src/cluster/cluster-actor-system.ts'
import type { ClusterOptions } from '../../src/cluster/cluster-options.ts'
import { ControlDesk } from '../../src/cluster/control-desk.ts'
import { readControlMessage } from '../../src/cluster/control-messages.ts'
import type { ProtocolRange } from '../../src/messaging/protocol-version.ts'
import { versionInUse } from '../../src/messaging/protocol-version.ts'
import { MemoryCluster } from '../support/memory-cluster.ts'

const Counter = defineActor('counter', { state: () => ({ value: 0 }), messages: { add: (ctx, by: number) => (ctx.state.value += by) } })

const OLD: ProtocolRange = { min: 1, max: 1 }
const NEW: ProtocolRange = { min: 1, max: 2 }

class Upgrade {
  readonly cluster = new MemoryCluster([Counter])
  /** The version of each frame that a node has sent, since the last look. */
  #sent = new Map<string, Set<number>>()

  async start(nodeId: string, protocol: ProtocolRange, options: Partial<ClusterOptions> = {}): Promise<ClusterActorSystem> {
    const messaging = this.cluster.network.open({ runtime: this.cluster.runtime })
    const send = messaging.send.bind(messaging)
    messaging.send = (to, frame) => {
      this.#sent.set(nodeId, (this.#sent.get(nodeId) ?? new Set()).add(frame[0] as number))
      return send(to, frame)
    }
    return await this.cluster.start(nodeId, { ...options, messaging }, protocol)
  }

  /** In which versions each node sent frames while every node asked many actors, and remembered one. */
  async traffic(...systems: ClusterActorSystem[]): Promise<Record<string, number[]>> {
    await this.cluster.pass(500)
    this.#sent = new Map()
    const asks = systems.flatMap((system) => Array.from({ length: 30 }, (_, i) => system.ref(Counter, `c-${i}`).ask('add', 1)))
    await this.cluster.settled(Promise.all(asks))
    for (const [i, system] of systems.entries())
      await this.cluster.settled(system.register(Counter, `r-${i}-${this.cluster.runtime.nowMs}`))
    return Object.fromEntries([...this.#sent].map(([nodeId, versions]) => [nodeId, [...versions].sort()]))
  }

  /** The form of every document of these keys. */
  forms(keys: string): number[] {
    const { entries, stop } = this.cluster.database.follow(`cajun/default/${keys}`, () => {})
    stop()
    return [...new Set(entries.map((entry) => (JSON.parse(entry.value) as { v: number }).v))]
  }
}

describe('a rolling upgrade', () => {
  it('is written in the old version while an old node is there, and in the new one when the last has left', async () => {
    const upgrade = new Upgrade()
    const a = await upgrade.start('a', OLD)
    const b = await upgrade.start('b', NEW)
    await upgrade.cluster.until(async () => (await upgrade.cluster.units(a))['b'] === 8)
    expect(await upgrade.traffic(a, b)).toEqual({ a: [1], b: [1] })
    expect([upgrade.forms('placement/'), upgrade.forms('registry/')]).toEqual([[1], [1]])

    const c = await upgrade.start('c', NEW)
    await upgrade.cluster.settled(a.stop())
    await upgrade.cluster.until(async () => (await upgrade.cluster.units(b))['c'] === 8)
    expect(await upgrade.traffic(b, c)).toEqual({ b: [2], c: [2] })
    expect(upgrade.forms('placement/')).toEqual([2])
    expect(upgrade.forms('registry/')).toContain(2)
    // What everybody reads before they know each other keeps its form.
    expect([upgrade.forms('nodes/'), upgrade.forms('leader')]).toEqual([[1], [1]])
    expect(upgrade.cluster.nodes.get('b')?.warnings.filter((warning) => warning.includes('version'))).toEqual([])
  })

  it('is written in the old version also by a new leader, while an old node is there that only sends', async () => {
    const upgrade = new Upgrade()
    const a = await upgrade.start('a', OLD)
    const b = await upgrade.start('b', NEW)
    const c = await upgrade.start('c', OLD, { hosts: [] })
    await upgrade.cluster.settled(a.stop())
    await upgrade.cluster.until(async () => (await upgrade.cluster.units(b))['b'] === 16)
    expect(await upgrade.traffic(b, c)).toEqual({ b: [1], c: [1] })
    expect([upgrade.forms('placement/'), upgrade.forms('registry/')]).toEqual([[1], [1]])
  })

  it('goes back to the old version when an old node joins before documents are written in the new one', async () => {
    const upgrade = new Upgrade()
    const a = await upgrade.start('a', OLD)
    const b = await upgrade.start('b', NEW)
    const c = await upgrade.start('c', OLD)
    expect(await upgrade.traffic(a, b, c)).toEqual({ a: [1], b: [1], c: [1] })
  })

  it('refuses an old node once documents are written in the new version, and says so', async () => {
    const upgrade = new Upgrade()
    const a = await upgrade.start('a', NEW)
    await upgrade.traffic(a)
    await expect(upgrade.start('b', OLD)).rejects.toMatchObject({
      message: expect.stringMatching(/placement\/counter.*stored in form 2; this release reads version 1/),
    })
    expect(upgrade.forms('placement/')).toEqual([2])
  })

  it('refuses a node whose range does not overlap', async () => {
    const upgrade = new Upgrade()
    await upgrade.start('a', OLD)
    await expect(upgrade.start('b', { min: 2, max: 3 })).rejects.toMatchObject({
      code: 'INCOMPATIBLE_CLUSTER',
      message: expect.stringMatching(/node 'a' .* speaks protocol version 1, this release versions 2 to 3; upgrade through/),
    })
  })
})

describe('the version in use', () => {
  it('is read by everybody, written by the writer, and the highest such', () => {
    const range = fc.tuple(fc.integer({ min: 1, max: 4 }), fc.integer({ min: 0, max: 4 })).map(([min, more]) => ({ min, max: min + more }))
    fc.assert(
      fc.property(range, fc.array(range), (own, readers) => {
        const overlapping = readers.filter((reader) => reader.min <= own.max && own.min <= reader.max)
        const all = [own, ...overlapping]
        const version = versionInUse(own, overlapping)
        expect(version).toBe(Math.max(own.min, Math.min(...all.map(({ max }) => max))))
        expect(all.every(({ max }) => version <= max)).toBe(true)
      }),
    )
  })
})

describe('a control message', () => {
  it('carries the version in use, and is refused in one that is not read', () => {
    const sent: unknown[] = []
    const node = { local: { processId: 'me' }, protocolVersion: 2, endpoint: { control: (_: unknown, body: unknown) => sent.push(body) } }
    new ControlDesk(node as never).say({ nodeId: 'b', processId: 'you' }, { t: 'ship-copied', handoffId: 'h' })
    expect(sent).toEqual([{ v: 2, t: 'ship-copied', handoffId: 'h' }])
    expect(readControlMessage(sent[0], NEW)).toMatchObject({ t: 'ship-copied' })
    expect(() => readControlMessage(sent[0], OLD)).toThrow('written in version 2; this release reads version 1')
    expect(readControlMessage({ t: 'ship-copied', handoffId: 'h' }, OLD)).toMatchObject({ handoffId: 'h' })
  })
})
