// Remembered actors of the shards that this process owns: brings them to life when a shard opens, and writes what is remembered and forgotten
// in batches, under the shard's epoch and guarded by this node's record, so that an owner that was superseded writes nothing.

import { ManagementError } from '../errors.ts'
import type { ProtocolRange } from '../messaging/protocol-version.ts'
import type { Guard, MetadataStore } from '../metadata/metadata-store.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { BackgroundLoop } from './background-loop.ts'
import type { ClusterKeys } from './cluster-keys.ts'
import type { HeldUnit } from './held-unit.ts'
import { RegistryShard } from './registry-document.ts'

export interface RegistryKeeperOptions {
  readonly runtime: Runtime
  readonly store: Pick<MetadataStore, 'list' | 'put' | 'delete'>
  readonly keys: ClusterKeys
  /** Exists exactly as long as this node's session. */
  readonly guard: () => Guard | undefined
  readonly protocol: ProtocolRange
  /** The protocol version that documents of the kind are written in. */
  readonly version: (kind: string) => number
  readonly isPinned: (kind: string, id: string) => boolean
  /** The shard of this process, if it may act for it now. */
  readonly ownedShard: (kind: string, shard: number) => HeldUnit | undefined
  readonly onError: (error: unknown) => void
}

interface Change {
  readonly id: string
  readonly remember: boolean
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
}

interface Shard {
  readonly kind: string
  readonly shard: number
  image: RegistryShard | undefined
  /** How often it has opened here. */
  openings: number
  changes: Change[]
  /** Units (the shard itself, or pins of it) whose remembered actors are still to be started. */
  readonly toStart: Set<HeldUnit>
}

export class RegistryKeeper {
  readonly #options: RegistryKeeperOptions
  readonly #shards = new Map<string, Shard>()
  readonly #loop: BackgroundLoop
  /** The shard that is being written at the moment. */
  #inHand: { readonly shard: Shard; readonly ended: Promise<unknown> } | undefined

  constructor(options: RegistryKeeperOptions) {
    this.#options = options
    this.#loop = new BackgroundLoop({ runtime: options.runtime, run: () => this.#work(), onError: options.onError })
  }

  /** The unit runs here from now on: what is remembered of it comes to life. */
  opened(held: HeldUnit): void {
    const shard = this.#shard(held.unit.kind, held.unit.shard)
    // Another owner may have written since.
    if (held.unit.pin === undefined) {
      shard.image = undefined
      shard.openings++
    }
    shard.toStart.add(held)
    this.#loop.trigger()
  }

  /** Resolves when it is written. Rejects with `ManagementError` when this process does not own the shard (any more). */
  change(kind: string, shard: number, id: string, remember: boolean): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#shard(kind, shard).changes.push({ id, remember, resolve, reject })
      this.#loop.trigger()
    })
  }

  /** Resolves when nothing is being written for the shard: who takes it over must find all that this process confirmed. */
  async settled(kind: string, shard: number): Promise<void> {
    const inHand = this.#inHand
    if (inHand?.shard.kind === kind && inHand.shard.shard === shard) await inHand.ended
  }

  async close(): Promise<void> {
    const stopped = this.#loop.stop()
    for (const shard of this.#shards.values()) rejectAll(shard, 'this node is stopping')
    await stopped
  }

  #shard(kind: string, shard: number): Shard {
    const key = `${kind}/${shard}`
    let known = this.#shards.get(key)
    if (known === undefined) {
      known = { kind, shard, image: undefined, openings: 0, changes: [], toStart: new Set() }
      this.#shards.set(key, known)
    }
    return known
  }

  async #work(): Promise<void> {
    let failure: unknown
    for (const [key, shard] of [...this.#shards]) {
      if (this.#loop.stopped) return
      try {
        const ended = this.#workOn(shard)
        this.#inHand = { shard, ended: ended.catch(() => {}) }
        await ended
      } catch (error) {
        // Others must not wait for this one; the loop comes back to it.
        shard.image = undefined
        failure = error
      }
      this.#inHand = undefined
      if (shard.changes.length === 0 && shard.toStart.size === 0) this.#shards.delete(key)
    }
    if (failure !== undefined) throw failure
  }

  async #workOn(shard: Shard): Promise<void> {
    for (const held of shard.toStart) if (held.discarded) shard.toStart.delete(held)
    if (shard.changes.length === 0 && shard.toStart.size === 0) return
    const { ownedShard } = this.#options
    const image = await this.#imageOf(shard)
    if (shard.changes.length > 0) {
      const owned = ownedShard(shard.kind, shard.shard)
      if (owned === undefined) rejectAll(shard, `this node does not own shard ${shard.shard} of kind '${shard.kind}' any more`)
      else await this.#write(shard, image, owned)
    }
    // It opened while that was written: what is remembered now is another matter.
    if (shard.image !== image) return this.#workOn(shard)
    for (const held of [...shard.toStart]) this.#start(shard, image, held)
  }

  /** A list that was asked for before the shard opened may lack what its former owner wrote last. */
  async #imageOf(shard: Shard): Promise<RegistryShard> {
    const prefix = this.#options.keys.registryOf(shard.kind, shard.shard)
    while (shard.image === undefined) {
      const { openings } = shard
      const image = new RegistryShard(prefix, await this.#options.store.list(prefix), { protocol: this.#options.protocol })
      if (openings === shard.openings) shard.image = image
    }
    return shard.image
  }

  #start(shard: Shard, image: RegistryShard, held: HeldUnit): void {
    shard.toStart.delete(held)
    if (held.discarded || image.size === 0) return
    const { pin } = held.unit
    if (pin !== undefined) {
      if (image.has(pin)) held.table.start(pin)
      return
    }
    for (const id of image.ids()) if (!this.#options.isPinned(shard.kind, id)) held.table.start(id)
  }

  async #write(shard: Shard, image: RegistryShard, owned: HeldUnit): Promise<void> {
    const { store, guard: guardOf } = this.#options
    const guard = guardOf()
    if (guard === undefined) return rejectAll(shard, 'this node has no session at the moment')
    // What comes while it is written is none of it.
    const batch = [...shard.changes]
    // The last word on each id counts.
    const last = new Map(batch.map((change) => [change.id, change.remember]))
    const add = [...last].filter(([, remember]) => remember).map(([id]) => id)
    const remove = [...last].filter(([, remember]) => !remember).map(([id]) => id)
    let writes: ReturnType<RegistryShard['change']>
    try {
      writes = image.change(owned.epoch, { add, remove }, this.#options.version(shard.kind))
    } catch (error) {
      // Superseded, or full: trying again changes nothing.
      if (!(error instanceof ManagementError)) throw error
      shard.changes = shard.changes.slice(batch.length)
      for (const change of batch) change.reject(error)
      shard.image = undefined
      return
    }
    for (const write of writes) {
      const result =
        write.type === 'put'
          ? await store.put(write.key, write.value, { ifVersion: write.ifVersion, guard })
          : await store.delete(write.key, { ifVersion: write.ifVersion, guard })
      if (!result.ok) throw new ManagementError(`${write.key} was written by somebody else (${result.conflict}); it is read again`)
      if (write.type === 'put') image.written(write.key, result.version)
    }
    shard.changes = shard.changes.slice(batch.length)
    for (const change of batch) {
      if (change.remember && !this.#options.isPinned(shard.kind, change.id) && !owned.discarded) owned.table.start(change.id)
      change.resolve()
    }
    if (shard.changes.length > 0) this.#loop.trigger()
  }
}

function rejectAll(shard: Shard, why: string): void {
  const changes = shard.changes
  shard.changes = []
  for (const change of changes) change.reject(new ManagementError(why))
}
