// Drivers of metadata stores that are wrong in exactly one way, each with the promise that it breaks.
// Most wear the fault outside, over a right store; some are wrong towards the server.

import type {
  BatchRequest,
  Campaign,
  Change,
  Entry,
  KeyValue,
  MetadataStore,
  PutAllResult,
  PutOptions,
  PutRequest,
  Session,
  StoreCall,
  Watch,
  WatchEvent,
  WriteResult,
} from '@cajun/core/adapter'
import type { ManualRuntime } from '../../../core/test/support/manual-runtime.ts'
import { type LinkFaults, MemoryMetadataStore, type MemoryMetadataStoreOptions } from '../../../metadata-memory/src/index.ts'
import { altered } from './altered.ts'

export interface Environment {
  readonly runtime: ManualRuntime
  readonly faults: LinkFaults
  readonly onError: (error: unknown) => void
}

export interface BrokenStore {
  readonly fault: string
  /** The numbers of the promises whose cases must fail. */
  readonly breaks: readonly number[]
  readonly make?: (options: MemoryMetadataStoreOptions) => MemoryMetadataStore
  readonly wrap?: (store: MetadataStore, environment: Environment) => MetadataStore
}

const never = <T>(): Promise<T> => new Promise<T>(() => {})
const keyOf = (change: Change): string => (change.type === 'put' ? change.entry.key : change.key)

/** A watch whose listener sees only what `through` makes of each event. */
function filteredWatch(store: MetadataStore, through: () => (event: WatchEvent) => WatchEvent | undefined): MetadataStore {
  return altered(store, {
    watch: (prefix: string, listener: (event: WatchEvent) => void) => {
      const filter = through()
      return store.watch(prefix, (event) => {
        const left = filter(event)
        if (left !== undefined) listener(left)
      })
    },
  })
}

/** Sessions as `change` makes them; puts and campaigns still get the right ones. */
function alteredSessions(store: MetadataStore, change: (session: Session) => Partial<Record<keyof Session, unknown>>): MetadataStore {
  const real = new WeakMap<Session, Session>()
  const unwrap = (session: Session | undefined): { session?: Session } =>
    session === undefined ? {} : { session: real.get(session) ?? session }
  return altered(store, {
    openSession: async (options: { ttlMs: number }) => {
      const session = await store.openSession(options)
      const fake = altered(session, change(session))
      real.set(fake, session)
      return fake
    },
    put: (key: string, value: string, options: PutOptions = {}) => store.put(key, value, { ...options, ...unwrap(options.session) }),
    putAll: (entries: never, options: PutOptions = {}) => store.putAll(entries, { ...options, ...unwrap(options.session) } as never),
    campaign: (key: string, session: Session, value: string) => store.campaign(key, real.get(session) ?? session, value),
  })
}

function alteredCampaigns(
  store: MetadataStore,
  change: (campaign: Campaign, key: string, session: Session, value: string) => Partial<Record<keyof Campaign, unknown>>,
): MetadataStore {
  return altered(store, {
    campaign: (key: string, session: Session, value: string) => {
      const campaign = store.campaign(key, session, value)
      return altered(campaign, change(campaign, key, session, value))
    },
  })
}

class BlindlyRetrying extends MemoryMetadataStore {
  protected override async _put(key: string, value: string, request: PutRequest, call: StoreCall): Promise<WriteResult> {
    return super._put(key, value, request, call).catch(() => super._put(key, value, request, call))
  }
}

class GuardlessBatches extends MemoryMetadataStore {
  protected override _putBatch(entries: readonly KeyValue[], { session }: BatchRequest, call: StoreCall): Promise<PutAllResult> {
    return super._putBatch(entries, { session }, call)
  }
}

class LongServerTtl extends MemoryMetadataStore {
  protected override async _openSession(ttlMs: number, call: StoreCall): Promise<{ id: string; ttlMs: number }> {
    return { ...(await super._openSession(ttlMs * 20, call)), ttlMs }
  }
}

class ShortServerTtl extends MemoryMetadataStore {
  protected override async _openSession(ttlMs: number, call: StoreCall): Promise<{ id: string; ttlMs: number }> {
    return { ...(await super._openSession(Math.floor(ttlMs / 2), call)), ttlMs }
  }

  protected override async _renewSession(id: string, call: StoreCall): Promise<number | undefined> {
    const ttlMs = await super._renewSession(id, call)
    return ttlMs && ttlMs * 2
  }
}

class LeavesSessionsBehind extends MemoryMetadataStore {
  protected override async _closeSession(): Promise<void> {}
}

export const brokenStores: readonly BrokenStore[] = [
  {
    fault: 'get answers from a cache that writes do not reach',
    breaks: [1],
    wrap: (store) => {
      const cache = new Map<string, Entry | undefined>()
      return altered(store, {
        get: async (key: string) => {
          if (!cache.has(key)) cache.set(key, await store.get(key))
          return cache.get(key)
        },
      })
    },
  },
  {
    fault: "list returns the neighbours' keys",
    breaks: [2],
    wrap: (store) => altered(store, { list: (prefix: string) => store.list(prefix.endsWith('/') ? prefix.slice(0, -1) : prefix) }),
  },
  {
    fault: 'list sorts by bytes',
    breaks: [2],
    wrap: (store) =>
      altered(store, {
        list: async (prefix: string) =>
          [...(await store.list(prefix))].sort((a, b) => Buffer.compare(Buffer.from(a.key), Buffer.from(b.key))),
      }),
  },
  {
    fault: 'list ends after one page',
    breaks: [2],
    wrap: (store) => altered(store, { list: async (prefix: string) => (await store.list(prefix)).slice(0, 500) }),
  },
  {
    fault: 'a write is acknowledged before it is made',
    breaks: [3],
    wrap: (store, { runtime }) =>
      altered(store, {
        put: async (key: string, value: string, options: PutOptions) => {
          if (options !== undefined || !key.includes('/k')) return store.put(key, value, options)
          runtime.setTimer(() => void store.put(key, value).catch(() => {}), 5)
          return { ok: true, version: '1' }
        },
      }),
  },
  {
    fault: 'versions are made of the value, so that equal values have equal versions',
    breaks: [4],
    wrap: (store) => {
      const tag = (value: string): string => `etag-${value}`
      const tagged = (entry: Entry | undefined): Entry | undefined => entry && { ...entry, version: tag(entry.value) }
      const realVersion = async (key: string, version: string | null | undefined): Promise<string | null | undefined> => {
        if (version === null || version === undefined) return version
        const entry = await store.get(key)
        return entry !== undefined && tag(entry.value) === version ? entry.version : 'none'
      }
      return altered(store, {
        get: async (key: string) => tagged(await store.get(key)),
        put: async (key: string, value: string, options: PutOptions = {}) => {
          const ifVersion = await realVersion(key, options.ifVersion)
          const result = await store.put(key, value, { ...options, ...(ifVersion === undefined ? {} : { ifVersion }) })
          return result.ok ? { ok: true, version: tag(value) } : result
        },
        delete: async (key: string, options: { ifVersion?: string } = {}) => {
          const ifVersion = await realVersion(key, options.ifVersion)
          return store.delete(key, typeof ifVersion === 'string' ? { ifVersion } : {})
        },
      })
    },
  },
  {
    fault: 'the version of a conditional write is ignored',
    breaks: [5],
    wrap: (store) =>
      altered(store, {
        put: (key: string, value: string, { ifVersion, ...options }: PutOptions = {}) =>
          store.put(key, value, ifVersion === null ? { ifVersion, ...options } : options),
      }),
  },
  {
    fault: 'create-if-absent overwrites',
    breaks: [5, 19],
    wrap: (store) =>
      altered(store, {
        put: (key: string, value: string, { ifVersion, ...options }: PutOptions = {}) =>
          store.put(key, value, typeof ifVersion === 'string' ? { ifVersion, ...options } : options),
        campaign: (key: string, session: Session, value: string) => ({
          elected: store.put(key, value, { session }).then((won) => ({ key, version: (won as { version: string }).version, token: 1 })),
          resign: () => store.delete(key),
        }),
      }),
  },
  {
    fault: 'a conditional write compares first and writes afterwards',
    breaks: [5],
    wrap: (store) =>
      altered(store, {
        put: async (key: string, value: string, { ifVersion, ...options }: PutOptions = {}) => {
          if (ifVersion !== undefined && ((await store.get(key))?.version ?? null) !== ifVersion) return { ok: false, conflict: 'version' }
          return store.put(key, value, options)
        },
      }),
  },
  {
    fault: 'a refused write leaves its value behind',
    breaks: [6],
    wrap: (store) =>
      altered(store, {
        put: async (key: string, value: string, options: PutOptions = {}) => {
          const result = await store.put(key, value, options)
          if (!result.ok && options.guard !== undefined) await store.put(key, value)
          return result
        },
      }),
  },
  {
    fault: 'guards are ignored',
    breaks: [7, 22],
    wrap: (store) =>
      altered(store, {
        put: (key: string, value: string, { guard: _, ...options }: PutOptions = {}) => store.put(key, value, options),
        delete: (key: string, { guard: _, ...options }: { guard?: unknown } = {}) => store.delete(key, options),
      }),
  },
  {
    fault: 'the guard is checked first and the write made afterwards',
    breaks: [7],
    wrap: (store, { runtime }) =>
      altered(store, {
        put: async (key: string, value: string, { guard, ...options }: PutOptions = {}) => {
          if (guard !== undefined) {
            if ((await store.get(guard.key))?.version !== guard.version) return { ok: false, conflict: 'guard' }
            await new Promise<void>((resolve) => void runtime.setTimer(resolve, 1)) // the round trip of the check
          }
          return store.put(key, value, options)
        },
      }),
  },
  {
    fault: 'deleting a missing key under a version is reported as done',
    breaks: [8],
    wrap: (store) =>
      altered(store, {
        delete: async (key: string, options = {}) => {
          const result = await store.delete(key, options)
          return result.ok || (await store.get(key)) !== undefined ? result : { ok: true, version: '0' }
        },
      }),
  },
  {
    fault: 'putAll writes one after another',
    breaks: [9],
    wrap: (store) =>
      altered(store, {
        putAll: async (entries: readonly { key: string; value: string }[], options: PutOptions = {}) => {
          for (const { key, value } of entries) await store.put(key, value, options)
          return { ok: true, written: entries.length }
        },
      }),
  },
  { fault: 'the guard of putAll is ignored', breaks: [9, 22], make: (options) => new GuardlessBatches(options) },
  { fault: 'a conditional write is blindly repeated', breaks: [10], make: (options) => new BlindlyRetrying(options) },
  {
    fault: 'a lost answer is reported as unavailable, as if nothing could have happened',
    breaks: [10],
    wrap: (store) =>
      altered(store, {
        put: (key: string, value: string, options: PutOptions) =>
          store.put(key, value, options).catch((error: Error) => {
            throw Object.assign(new Error(error.message), { code: 'STORE_UNAVAILABLE' })
          }),
      }),
  },
  {
    fault: 'a lost answer to a guarded write is reported as unavailable',
    breaks: [10],
    wrap: (store) =>
      altered(store, {
        put: (key: string, value: string, options: PutOptions) =>
          store.put(key, value, options).catch((error: { readonly code?: string }) => {
            throw options?.guard === undefined ? error : Object.assign(new Error('failed'), { code: 'STORE_UNAVAILABLE' })
          }),
      }),
  },
  {
    fault: 'a read without an answer waits for ever',
    breaks: [11],
    wrap: (store, { faults }) => altered(store, { get: (key: string) => (faults.cut === undefined ? store.get(key) : never()) }),
  },
  {
    fault: 'values are trimmed',
    breaks: [12],
    wrap: (store) =>
      altered(store, {
        put: (key: string, value: string, options: PutOptions) =>
          store.put(key, typeof value === 'string' ? value.trimEnd() : value, options),
      }),
  },
  {
    fault: 'empty segments of keys are left out instead of refused',
    breaks: [12],
    wrap: (store) =>
      altered(store, {
        put: (key: string, value: string, options: PutOptions) =>
          store.put(typeof key === 'string' ? key.replace(/\/\/|\/$/, '') : key, value, options),
      }),
  },
  { fault: 'a session outlives its TTL on the server', breaks: [13], make: (options) => new LongServerTtl(options) },
  { fault: 'the server ends a session before the TTL that it granted', breaks: [14], make: (options) => new ShortServerTtl(options) },
  {
    fault: 'safeUntil is counted from the answer',
    breaks: [14],
    wrap: (store, { runtime }) =>
      alteredSessions(store, (session) => {
        let known = session.safeUntil()
        let counted = runtime.leaseMs() + session.ttlMs
        return {
          safeUntil: () => {
            if (session.safeUntil() !== known) {
              known = session.safeUntil()
              counted = runtime.leaseMs() + session.ttlMs
            }
            return counted
          },
        }
      }),
  },
  {
    fault: 'lost never fires',
    breaks: [15],
    wrap: (store) => alteredSessions(store, () => ({ lost: new AbortController().signal })),
  },
  {
    fault: 'lost fires as late as the client library says so',
    breaks: [15],
    wrap: (store, { runtime }) =>
      alteredSessions(store, (session) => {
        const late = new AbortController()
        session.lost.addEventListener('abort', () => runtime.setTimer(() => late.abort(session.lost.reason), session.ttlMs))
        return { lost: late.signal }
      }),
  },
  {
    fault: 'lost fires twice',
    breaks: [15],
    wrap: (store, { runtime }) =>
      alteredSessions(store, (session) => {
        const twice = Object.assign(new EventTarget(), { aborted: false, reason: undefined as unknown })
        session.lost.addEventListener('abort', () => {
          Object.assign(twice, { aborted: true, reason: session.lost.reason })
          twice.dispatchEvent(new Event('abort'))
          runtime.setTimer(() => twice.dispatchEvent(new Event('abort')), 10)
        })
        return { lost: twice }
      }),
  },
  { fault: "close leaves the session's keys to the TTL", breaks: [16], make: (options) => new LeavesSessionsBehind(options) },
  {
    fault: 'close fires lost',
    breaks: [16],
    wrap: (store) =>
      alteredSessions(store, (session) => {
        const lost = new AbortController()
        session.lost.addEventListener('abort', () => lost.abort(session.lost.reason))
        return {
          lost: lost.signal,
          close: async () => {
            await session.close()
            lost.abort(new Error('closed'))
          },
        }
      }),
  },
  {
    fault: 'a put with an ended session makes a key that stays',
    breaks: [17],
    wrap: (store) =>
      altered(store, {
        put: async (key: string, value: string, options: PutOptions = {}) => {
          const result = await store.put(key, value, options)
          const { session: _, ...rest } = options
          return !result.ok && result.conflict === 'session' ? store.put(key, value, rest) : result
        },
      }),
  },
  {
    fault: 'the end of a session removes every key that it ever wrote',
    breaks: [18],
    wrap: (store) => {
      const written = new Map<string, Set<string>>()
      const inner = alteredSessions(store, (session) => ({
        close: async () => {
          await session.close()
          for (const key of written.get(session.id) ?? []) await store.delete(key)
        },
      }))
      return altered(inner, {
        put: async (key: string, value: string, options: PutOptions = {}) => {
          const id = options.session?.id
          if (id !== undefined) written.set(id, (written.get(id) ?? new Set()).add(key))
          return inner.put(key, value, options)
        },
      })
    },
  },
  {
    fault: 'leadership is granted to two',
    breaks: [19],
    wrap: (store, { runtime }) =>
      alteredCampaigns(store, (campaign, key, session, value) => ({
        elected: Promise.race([
          campaign.elected,
          new Promise<void>((resolve) => void runtime.setTimer(resolve, 20))
            .then(() => store.put(key, value, { session }))
            .then((won) => ({ key, version: (won as { version: string }).version, token: runtime.nowMs })),
        ]),
      })),
  },
  {
    fault: 'a withdrawn candidate is elected later',
    breaks: [19],
    wrap: (store) => alteredCampaigns(store, () => ({ resign: async () => {} })),
  },
  {
    fault: 'the fencing token repeats',
    breaks: [20],
    wrap: (store) => alteredCampaigns(store, (campaign) => ({ elected: campaign.elected.then((won) => ({ ...won, token: 1 })) })),
  },
  {
    fault: 'each client counts its own tokens',
    breaks: [20],
    wrap: (store) => {
      let token = 0
      return alteredCampaigns(store, (campaign) => ({ elected: campaign.elected.then((won) => ({ ...won, token: ++token })) }))
    },
  },
  {
    fault: 'a candidate tries once and then waits for ever',
    breaks: [21],
    wrap: (store) =>
      altered(store, {
        campaign: (key: string, session: Session, value: string) => {
          const won = store.put(key, value, { session, ifVersion: null })
          const elected = won.then((result) => (result.ok ? { key, version: result.version, token: Number(result.version) } : never()))
          return {
            elected,
            resign: async () => void (await store.delete(key, { ifVersion: ((await won) as { version: string }).version })),
          }
        },
      }),
  },
  {
    fault: 'a leader that resigns keeps its key',
    breaks: [21, 22],
    wrap: (store) => alteredCampaigns(store, () => ({ resign: async () => {} })),
  },
  {
    fault: 'watch resolves before its snapshot is there',
    breaks: [23],
    wrap: (store, { runtime }) =>
      altered(store, {
        watch: (prefix: string, listener: (event: WatchEvent) => void) =>
          store.watch(prefix, (event) => void runtime.setTimer(() => listener(event), 1)),
      }),
  },
  {
    fault: 'watch delivers changes before the snapshot',
    breaks: [23],
    wrap: (store) =>
      altered(store, {
        watch: (prefix: string, listener: (event: WatchEvent) => void) => {
          let first: WatchEvent | undefined
          return store.watch(prefix, (event) => {
            if (first === undefined) {
              first = event
              const [entry] = event.type === 'snapshot' ? event.entries : []
              if (entry !== undefined) listener({ type: 'changes', changes: [{ type: 'put', entry }] })
            }
            listener(event)
          })
        },
      }),
  },
  {
    fault: 'a watch loses an event now and then, silently',
    breaks: [24],
    wrap: (store) =>
      filteredWatch(store, () => {
        let count = 0
        return (event) =>
          event.type === 'snapshot' ? event : { type: 'changes', changes: event.changes.filter(() => ++count % 40 !== 39) }
      }),
  },
  {
    fault: 'a watch loses what happens between its snapshot and its first change',
    breaks: [24],
    wrap: (store, { runtime }) =>
      altered(store, {
        watch: async (prefix: string, listener: (event: WatchEvent) => void) => {
          listener({ type: 'snapshot', entries: await store.list(prefix) })
          await new Promise<void>((resolve) => void runtime.setTimer(resolve, 2))
          let first = true
          return store.watch(prefix, (event) => {
            if (!first) listener(event)
            first = false
          })
        },
      }),
  },
  {
    fault: 'a watch delivers two changes of a key in the wrong order',
    breaks: [24],
    wrap: (store) =>
      filteredWatch(store, () => (event) => {
        if (event.type === 'snapshot') return event
        const changes = [...event.changes]
        const later = changes.findLastIndex((change) => keyOf(change).endsWith('k1'))
        const earlier = changes.findLastIndex((change, at) => at < later && keyOf(change).endsWith('k1'))
        if (earlier >= 0) [changes[earlier], changes[later]] = [changes[later] as Change, changes[earlier] as Change]
        return { type: 'changes', changes }
      }),
  },
  {
    fault: 'a watch is silent about what happened during a gap',
    breaks: [25],
    wrap: (store) =>
      filteredWatch(store, () => {
        let snapshots = 0
        return (event) => (event.type === 'snapshot' && ++snapshots > 1 ? undefined : event)
      }),
  },
  {
    fault: 'a watch is dead after a gap',
    breaks: [25],
    wrap: (store) =>
      filteredWatch(store, () => {
        let snapshots = 0
        return (event) => {
          if (event.type === 'snapshot') snapshots++
          return snapshots > 1 && event.type === 'changes' ? undefined : event
        }
      }),
  },
  {
    fault: 'a watch delivers what is outside its prefix',
    breaks: [26],
    wrap: (store) => altered(store, { watch: (prefix: string, listener: () => void) => store.watch(prefix.slice(0, -1), listener) }),
  },
  {
    fault: 'a watch goes on after close',
    breaks: [26],
    wrap: (store) =>
      altered(store, {
        watch: async (prefix: string, listener: () => void): Promise<Watch> =>
          altered(await store.watch(prefix, listener), { close: async () => {} }),
      }),
  },
  {
    fault: "a watch does not tell of the end of a session's keys",
    breaks: [27],
    wrap: (store) =>
      filteredWatch(store, () => {
        const ephemeral = new Set<string>()
        return (event) => {
          if (event.type === 'snapshot') {
            for (const entry of event.entries) if (entry.session !== undefined) ephemeral.add(entry.key)
            return event
          }
          for (const change of event.changes)
            if (change.type === 'put' && change.entry.session !== undefined) ephemeral.add(change.entry.key)
          return { type: 'changes', changes: event.changes.filter((change) => change.type === 'put' || !ephemeral.has(change.key)) }
        }
      }),
  },
  {
    fault: 'a watch ends when its listener throws',
    breaks: [28],
    wrap: (store, { onError }) =>
      altered(store, {
        watch: (prefix: string, listener: (event: WatchEvent) => void) => {
          let dead = false
          return store.watch(prefix, (event) => {
            if (dead) return
            try {
              listener(event)
            } catch (error) {
              dead = true
              onError(error)
            }
          })
        },
      }),
  },
  {
    fault: 'a listener that throws is not reported',
    breaks: [28],
    wrap: (store) =>
      altered(store, {
        watch: (prefix: string, listener: (event: WatchEvent) => void) =>
          store.watch(prefix, (event) => {
            try {
              listener(event)
            } catch {}
          }),
      }),
  },
  {
    fault: 'every client makes up its own store id',
    breaks: [29],
    wrap: (store, { runtime }) => {
      const id = String(runtime.random())
      return altered(store, { storeId: async () => id })
    },
  },
  {
    fault: 'operations go on working after close',
    breaks: [30],
    wrap: (store) => {
      const kept = { value: undefined as Entry | undefined }
      return altered(store, { get: (key: string) => store.get(key).catch(() => kept.value) })
    },
  },
  {
    fault: 'close leaves the sessions alive',
    breaks: [30],
    make: (options) => new LeavesSessionsBehind(options),
  },
  {
    fault: 'close leaves candidates waiting for ever',
    breaks: [30],
    wrap: (store) => alteredCampaigns(store, (campaign) => ({ elected: campaign.elected.catch(() => never()) })),
  },
  { fault: 'ping is answered by the client itself', breaks: [31], wrap: (store) => altered(store, { ping: async () => 0 }) },
  {
    fault: 'operations before open wait for ever',
    breaks: [32],
    wrap: (store) => {
      let open = false
      return altered(store, {
        open: async () => {
          await store.open()
          open = true
        },
        get: (key: string) => (open ? store.get(key) : never()),
      })
    },
  },
  {
    fault: 'a client that failed once never recovers',
    breaks: [32],
    wrap: (store) => {
      let failure: unknown
      return altered(store, {
        get: (key: string) =>
          failure === undefined
            ? store.get(key).catch((error) => {
                if ((error as { code?: string }).code === 'STORE_UNAVAILABLE') failure = error
                throw error
              })
            : Promise.reject(failure),
      })
    },
  },
]
