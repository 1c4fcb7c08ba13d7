// The metadata store on Redis. What happens inside of the server is in scripts.ts, how it is reached in connection.ts, watches in log-follower.ts.

import {
  BaseMetadataStore,
  type BatchRequest,
  ConnectionKeeper,
  type DeleteOptions,
  type Entry,
  type Fate,
  type KeyValue,
  newIdentity,
  type PutAllResult,
  type PutRequest,
  type StoreCall,
  type StoreCapabilities,
  type WatchSink,
  type WriteResult,
} from '@cajun/core/adapter'
import { redisCapabilities, redisCapabilitiesWithoutLoss } from './capabilities.ts'
import { Connection } from './connection.ts'
import { LogFollower, type Scanned } from './log-follower.ts'
import { type RedisMetadataStoreOptions, resolveRedisOptions } from './options.ts'
import { classifyRedisError } from './reply-errors.ts'
import type { ScriptName } from './scripts.ts'
import { unpackEntry } from './stored-entry.ts'

type Conflict = 'version' | 'guard' | 'session'

export class RedisMetadataStore extends BaseMetadataStore {
  readonly capabilities: StoreCapabilities
  protected readonly endpoint: string
  readonly #keeper: ConnectionKeeper<Connection>
  readonly #log: LogFollower
  /** Of the sessions opened here, by id. */
  readonly #ttls = new Map<string, number>()

  constructor(options: RedisMetadataStoreOptions = {}) {
    super(options)
    const { connection, endpoint, namespace, keepAliveMs, logLength, neverLosesWrites } = resolveRedisOptions(options)
    this.endpoint = endpoint
    this.capabilities = neverLosesWrites ? redisCapabilitiesWithoutLoss : redisCapabilities
    const shared = { runtime: this.runtime, redis: connection, namespace, logLength }
    this.#keeper = new ConnectionKeeper({
      runtime: this.runtime,
      keepAliveMs,
      connect: () => Connection.open(shared),
      // Ends the sessions that are over, too: somebody has to, when nobody asks for their keys.
      askForLife: async (kept) => this.#log.observeTail((await kept.run('sweep')) as string),
    })
    this.#log = new LogFollower({ ...shared, scan: (prefix) => this.#scan(prefix, background()) })
  }

  protected override _open(call: StoreCall): Promise<void> {
    return this.#keeper.open(call)
  }

  protected override async _close(): Promise<void> {
    this.#keeper.close()
    await this.#log.close()
  }

  protected override async _ping(call: StoreCall): Promise<void> {
    await this.#run(call, 'sweep')
  }

  protected override async _storeId(call: StoreCall): Promise<string> {
    return (await this.#run(call, 'identity', newIdentity(this.runtime))) as string
  }

  protected override async _get(key: string, call: StoreCall): Promise<Entry | undefined> {
    const packed = (await this.#run(call, 'read', key)) as string | null
    return packed === null ? undefined : unpackEntry(key, packed)
  }

  protected override async _list(prefix: string, call: StoreCall): Promise<readonly Entry[]> {
    return (await this.#scan(prefix, call)).entries
  }

  protected override async _put(key: string, value: string, request: PutRequest, call: StoreCall): Promise<WriteResult> {
    const { ifVersion, guard, session = '' } = request
    return result(await this.#run(call, 'write', key, value, expected(ifVersion), guard?.key ?? '', guard?.version ?? '', session))
  }

  protected override async _putBatch(entries: readonly KeyValue[], request: BatchRequest, call: StoreCall): Promise<PutAllResult> {
    const { guard, session = '' } = request
    const pairs = entries.flatMap(({ key, value }) => [key, value])
    const outcome = (await this.#run(call, 'writeAll', guard?.key ?? '', guard?.version ?? '', session, ...pairs)) as
      | 'ok'
      | 'guard'
      | 'session'
    return outcome === 'ok' ? { ok: true, written: entries.length } : { ok: false, written: 0, conflict: outcome }
  }

  protected override async _delete(key: string, { ifVersion, guard }: DeleteOptions, call: StoreCall): Promise<WriteResult> {
    return result(await this.#run(call, 'erase', key, expected(ifVersion), guard?.key ?? '', guard?.version ?? ''))
  }

  protected override async _openSession(ttlMs: number, call: StoreCall): Promise<{ id: string; ttlMs: number }> {
    const id = newIdentity(this.runtime)
    await this.#run(call, 'keep', id, ttlMs * 1_000, 'open')
    this.#ttls.set(id, ttlMs)
    return { id, ttlMs }
  }

  protected override async _renewSession(id: string, call: StoreCall): Promise<number | undefined> {
    const ttlMs = this.#ttls.get(id)
    if (ttlMs === undefined) return undefined
    return (await this.#run(call, 'keep', id, ttlMs * 1_000, 'renew')) === 1 ? ttlMs : undefined
  }

  protected override async _closeSession(id: string, call: StoreCall): Promise<void> {
    await this.#run(call, 'finish', id)
  }

  protected override _dropSession(id: string): void {
    this.#ttls.delete(id)
  }

  protected override _watch(prefix: string, sink: WatchSink, call: StoreCall): Promise<() => void> {
    return this.#log.follow(prefix, sink, call.signal)
  }

  protected override _classify(error: unknown): Fate {
    return classifyRedisError(error)
  }

  async #run(call: StoreCall, script: ScriptName, ...args: (string | number)[]): Promise<unknown> {
    call.unsent = true
    const connection = await this.#keeper.ready(call)
    call.unsent = false
    try {
      return await connection.run(script, ...args)
    } catch (error) {
      // It was the primary and is none any more: whoever is now is found by connecting anew.
      if (error instanceof Error && error.message.startsWith('READONLY')) connection.drop(error)
      throw error
    }
  }

  async #scan(prefix: string, call: StoreCall): Promise<Scanned> {
    const [revision = '0', ...pairs] = (await this.#run(call, 'scan', prefix)) as string[]
    const entries: Entry[] = []
    for (let at = 0; at + 1 < pairs.length; at += 2) entries.push(unpackEntry(pairs[at] as string, pairs[at + 1] as string))
    return { revision: Number(revision), entries }
  }
}

function expected(ifVersion: string | null | undefined): string {
  return ifVersion === undefined ? '*' : (ifVersion ?? '')
}

function result(answer: unknown): WriteResult {
  const [outcome, version] = answer as ['ok', string] | [Conflict]
  return outcome === 'ok' ? { ok: true, version: version as string } : { ok: false, conflict: outcome }
}

/** For what the store asks by itself: it ends with the connection, and there is no deadline to tell anybody about. */
function background(): StoreCall {
  return { signal: new AbortController().signal, remainingMs: () => 0, unsent: false }
}
