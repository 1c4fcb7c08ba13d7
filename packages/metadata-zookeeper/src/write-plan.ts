// One write, of one key or of many, as ZooKeeper can do it: look at the nodes, then change them in one transaction that takes effect only if they are still
// as they were seen.
//
// Gotcha: ZooKeeper checks a node's own version, and that restarts at 0 when a node is created anew: a leader key that was made by the next leader has the
// version that the former leader saw. Therefore each creation of a node counts up a counter (one of 16, by the hash of the key) in the same transaction, and a
// write on what was seen checks that the counter is where it was, too: the node is then the one that was seen, and its version says the rest.

import type { Guard } from '@cajun/core/adapter'
import { Exception, type Stat } from 'node-zookeeper-client'
import type { ZooKeeperConnection } from './connection.ts'
import { type KeySpace, ownerOf, versionOf } from './key-space.ts'
import type { Committed, Operation } from './transaction.ts'

const NOTHING: Buffer = Buffer.alloc(0)
const ANY = -1

export interface Write {
  /** With their values; or one without, which is deleted. */
  readonly entries: ReadonlyArray<{ readonly key: string; readonly value?: string }>
  /** Of the one entry. */
  readonly ifVersion?: string | null | undefined
  readonly guard?: Guard | undefined
  /** The one whose connection makes the write. */
  readonly session?: string | undefined
}

export type Verdict =
  /** Without a version: what was to be deleted was not there. */
  | { readonly type: 'done'; readonly version?: string }
  | { readonly type: 'conflict'; readonly conflict: 'version' | 'guard' | 'session' }
  /** Nothing was changed; something else has changed meanwhile. */
  | { readonly type: 'again' }
  /** Nothing was changed: these nodes are missing. */
  | { readonly type: 'missing'; readonly paths: readonly string[] }

type Role = 'counter' | 'guard' | 'entry' | 'bookkeeping'

interface Step {
  readonly operation: Operation
  readonly role: Role
  readonly key: string
}

/** What is there, by key; and the counters, by path. Seen in the order in which they were asked for. */
export interface Seen {
  readonly counters: ReadonlyMap<string, Stat | null>
  readonly nodes: ReadonlyMap<string, Stat | null>
}

/** Counters first: a creation that is not counted in them is not among the nodes either. */
export async function look(connection: ZooKeeperConnection, space: KeySpace, write: Write): Promise<Seen> {
  const keys = [...(write.guard === undefined ? [] : [write.guard.key]), ...write.entries.filter(needsLook(write)).map(({ key }) => key)]
  const counterPaths = [...new Set(keys.map((key) => space.counterPath(key)))]
  const [counters, nodes] = await Promise.all([
    Promise.all(counterPaths.map((path) => connection.exists(path))),
    Promise.all(keys.map((key) => connection.exists(space.valuePath(key)))),
  ])
  return {
    counters: new Map(counterPaths.map((path, at) => [path, counters[at] ?? null])),
    nodes: new Map(keys.map((key, at) => [key, nodes[at] ?? null])),
  }
}

/** What creates a node, or deletes whatever is there, needs to see nothing. */
function needsLook({ ifVersion }: Write): (entry: Write['entries'][number]) => boolean {
  return ({ value }) => (value === undefined ? ifVersion !== undefined : ifVersion !== null)
}

export class WritePlan {
  readonly #space: KeySpace
  readonly #write: Write
  readonly #steps: Step[] = []
  readonly #checked = new Set<string>()
  readonly #created = new Set<string>()
  /** Why it can't be done, by what was seen. */
  readonly verdict: Verdict | undefined

  constructor(space: KeySpace, write: Write, seen: Seen) {
    this.#space = space
    this.#write = write
    const missing = [...seen.counters].filter(([, stat]) => stat === null)
    if (missing.length > 0) this.verdict = { type: 'missing', paths: space.layout }
    else this.verdict = this.#planGuard(seen) ?? this.#planEntries(seen)
    for (const path of this.#created) this.#add('bookkeeping', '', { type: 'set', path, data: NOTHING, version: ANY })
    // For its zxid: of a deletion alone there would be none.
    if (this.#isDeletion) {
      this.#add('bookkeeping', '', { type: 'set', path: space.reads, data: NOTHING, version: ANY })
    }
  }

  get operations(): readonly Operation[] {
    return this.#steps.map(({ operation }) => operation)
  }

  get #isDeletion(): boolean {
    return this.#write.entries[0]?.value === undefined
  }

  judge(committed: Committed): Verdict {
    if (committed.ok) return { type: 'done', version: String(committed.zxid) }
    const { operation, role, key } = this.#steps[committed.at] as Step
    const { ifVersion } = this.#write
    const missing = committed.code === Exception.NO_NODE
    if (committed.code === Exception.SESSION_EXPIRED) return { type: 'conflict', conflict: 'session' }
    if (role === 'bookkeeping' && missing) return { type: 'missing', paths: this.#space.layout }
    if (role === 'counter' || role === 'bookkeeping') return { type: 'again' }
    if (role === 'guard') return { type: 'conflict', conflict: 'guard' }
    if (operation.type === 'create' && missing) return { type: 'missing', paths: this.#space.directoriesOf(key) }
    if (missing && ifVersion === undefined && this.#isDeletion) return { type: 'done' }
    // Seen as the version that was named, and then changed: a version never comes back.
    return ifVersion === undefined ? { type: 'again' } : { type: 'conflict', conflict: 'version' }
  }

  #planGuard(seen: Seen): Verdict | undefined {
    const { guard } = this.#write
    if (guard === undefined) return undefined
    const stat = seen.nodes.get(guard.key)
    if (stat == null || versionOf(stat) !== guard.version) return { type: 'conflict', conflict: 'guard' }
    this.#checkCounter(guard.key, seen)
    this.#add('guard', guard.key, { type: 'check', path: this.#space.valuePath(guard.key), version: stat.version })
    return undefined
  }

  #planEntries(seen: Seen): Verdict | undefined {
    const { entries, ifVersion } = this.#write
    for (const { key, value } of entries) {
      const path = this.#space.valuePath(key)
      const stat = seen.nodes.get(key)
      const data = value === undefined ? undefined : Buffer.from(value)
      if (typeof ifVersion === 'string' && (stat == null || versionOf(stat) !== ifVersion)) return { type: 'conflict', conflict: 'version' }
      const version = typeof ifVersion === 'string' && stat != null ? stat.version : ANY
      if (stat != null) this.#checkCounter(key, seen)
      if (data === undefined) {
        this.#add('entry', key, { type: 'remove', path, version })
      } else if (stat == null) {
        this.#create(key, path, data)
      } else if (ownerOf(stat) === this.#write.session) {
        this.#add('entry', key, { type: 'set', path, data, version })
      } else {
        // A node belongs to its session, or to none, for life.
        this.#add('entry', key, { type: 'remove', path, version })
        this.#create(key, path, data)
      }
    }
    return undefined
  }

  #create(key: string, path: string, data: Buffer): void {
    this.#created.add(this.#space.counterPath(key))
    this.#add('entry', key, { type: 'create', path, data, ephemeral: this.#write.session !== undefined })
  }

  #checkCounter(key: string, seen: Seen): void {
    const path = this.#space.counterPath(key)
    if (this.#checked.has(path)) return
    this.#checked.add(path)
    this.#add('counter', key, { type: 'check', path, version: seen.counters.get(path)?.version ?? ANY })
  }

  #add(role: Role, key: string, operation: Operation): void {
    this.#steps.push({ role, key, operation })
  }
}
