// Hosts, a network and a store without actors: for tests of the simulated machinery itself.

import { SimulatedHost, type SimulatedProcess } from '../../src/host.ts'
import { SimulationLoop } from '../../src/loop.ts'
import { Marks } from '../../src/marks.ts'
import { calmNetwork, type NetworkProfile, SimulatedNetwork } from '../../src/network.ts'
import { streamOf } from '../../src/random-streams.ts'
import { calmStore, SimulatedStore, type StoreProfile } from '../../src/store.ts'

export class World {
  readonly loop = new SimulationLoop()
  readonly marks = new Marks()
  readonly network: SimulatedNetwork
  readonly store: SimulatedStore
  readonly uncaught: unknown[] = []
  readonly #seed: number

  constructor(seed: number, network: Partial<NetworkProfile> = {}, store: Partial<StoreProfile> = {}) {
    this.#seed = seed
    this.network = new SimulatedNetwork(this.loop, streamOf(seed, 'network'), { ...calmNetwork, ...network }, this.marks)
    this.store = new SimulatedStore(this.loop, streamOf(seed, 'store'), { ...calmStore, ...store }, this.marks)
  }

  boot(nodeId: string): SimulatedProcess {
    const host = new SimulatedHost(
      { nodeId, clockRate: 1, wallOriginMs: 1e12, timerLatenessMs: 0.1 },
      {
        loop: this.loop,
        onUncaught: (_, error) => this.uncaught.push(error),
        onPaused: (process) => this.network.paused(process),
        onCrashed: (process, silent) => this.network.crashed(process, silent),
      },
      streamOf(this.#seed, nodeId),
    )
    return host.boot()
  }
}
