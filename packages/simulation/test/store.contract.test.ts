// The simulated store in calm weather keeps the whole contract of a metadata store: what breaks in a simulation is not the store's doing.

import { metadataStoreContract } from '../../contract-tests/src/index.ts'
import { SimulatedMetadataStore, simulatedStoreCapabilities } from '../src/store-client.ts'
import { World } from './support/world.ts'

metadataStoreContract({
  name: 'simulated',
  capabilities: simulatedStoreCapabilities,
  harness: () => {
    const world = new World(1, {}, { latencyMs: 0.2, watchLagMs: 0.2 })
    const near = world.boot('near')
    const far = world.boot('far')
    return {
      runtime: near.runtime,
      advance: (ms) => world.loop.run(world.loop.nowMs + ms),
      store: (options) => new SimulatedMetadataStore(world.store, near, options),
      peer: (options) => new SimulatedMetadataStore(world.store, far, options),
      isolate: (direction) => world.store.cut('near', direction),
      heal: () => world.store.healAll(),
      interruptions: ['frozen', 'killed', 'wiped'] as const,
      interrupt: (how) => {
        if (how === 'wiped') world.store.rebirth()
        world.store.stop()
      },
      restore: () => world.store.start(),
      [Symbol.asyncDispose]: async () => {},
    }
  },
})
