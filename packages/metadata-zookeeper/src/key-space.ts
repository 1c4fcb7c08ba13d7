// How keys of the store stand in ZooKeeper's tree.
//
//   <root>/keys/a/b/=c       the value of key 'a/b/c': a node of its own, which never has children, so that it may belong to a session
//   <root>/keys/a/b          a directory: it holds nothing, and stays when it is empty
//   <root>/creations/<0-15>  counters: how many nodes were created for the keys of one hash
//   <root>/reads             written before each read
//
// Segments are percent-encoded: ZooKeeper refuses control characters, surrogates, '.' and '..'. No encoded segment begins with '='.

import { type Entry, shardOf } from '@cajun/core/adapter'
import type { Stat } from 'node-zookeeper-client'

/** Gotcha: stored. With another number, or another hash, old and new clients would count different creations. */
const COUNTERS = 16

/** Where all keys of one prefix are: in one directory, under names that begin with `rest`. */
export interface PrefixRange {
  readonly directory: string
  /** What the keys of the directory begin with: nothing, or segments and a '/'. */
  readonly keyPrefix: string
  readonly rest: string
}

export interface ChildName {
  readonly type: 'value' | 'directory'
  readonly name: string
}

export class KeySpace {
  readonly reads: string
  /** Parents before their children: everything that is there before the first key. */
  readonly layout: readonly string[]
  readonly #root: string
  readonly #keys: string

  constructor(root: string) {
    this.#root = root
    this.#keys = `${root}/keys`
    this.reads = `${root}/reads`
    const counters = Array.from({ length: COUNTERS }, (_, at) => `${root}/creations/${at}`)
    this.layout = [...ancestors(root), root, this.#keys, this.reads, `${root}/creations`, ...counters]
  }

  valuePath(key: string): string {
    const slash = key.lastIndexOf('/')
    return `${this.#directoryPath(key.slice(0, slash + 1))}/=${encodeSegment(key.slice(slash + 1))}`
  }

  counterPath(key: string): string {
    return `${this.#root}/creations/${shardOf(key, COUNTERS)}`
  }

  /** Everything down to this directory, parents first, that of the layout included. */
  directoriesTo(path: string): string[] {
    return [...ancestors(path), path]
  }

  directoriesOf(key: string): string[] {
    return ancestors(this.valuePath(key))
  }

  /** `undefined`: no key can begin like this. */
  range(prefix: string): PrefixRange | undefined {
    const slash = prefix.lastIndexOf('/')
    const keyPrefix = prefix.slice(0, slash + 1)
    if (keyPrefix.startsWith('/') || keyPrefix.includes('//')) return undefined
    return { directory: this.#directoryPath(keyPrefix), keyPrefix, rest: prefix.slice(slash + 1) }
  }

  /** `undefined`: it was made by somebody else. */
  child(node: string): ChildName | undefined {
    const type = node.startsWith('=') ? 'value' : 'directory'
    const encoded = type === 'value' ? node.slice(1) : node
    const name = decodeSegment(encoded)
    return name === undefined || name === '' ? undefined : { type, name }
  }

  entry(key: string, data: Buffer | undefined, stat: Stat): Entry {
    const entry = { key, value: data?.toString() ?? '', version: versionOf(stat) }
    const session = ownerOf(stat)
    return session === undefined ? entry : { ...entry, session }
  }

  /** `keyPrefix` is empty or ends with '/'. */
  #directoryPath(keyPrefix: string): string {
    return [this.#keys, ...keyPrefix.split('/').slice(0, -1).map(encodeSegment)].join('/')
  }
}

/** The zxid of the last write: unlike ZooKeeper's own version it never comes back, also when the node was deleted and created again. */
export function versionOf(stat: Stat): string {
  return String(stat.mzxid.readBigUInt64BE())
}

export function ownerOf(stat: Stat): string | undefined {
  const owner = sessionName(stat.ephemeralOwner)
  return /^0+$/.test(owner) ? undefined : owner
}

export function sessionName(id: Buffer): string {
  return id.toString('hex')
}

function ancestors(path: string): string[] {
  const segments = path.split('/').slice(1, -1)
  return segments.map((_, at) => `/${segments.slice(0, at + 1).join('/')}`)
}

function encodeSegment(segment: string): string {
  if (segment === '.' || segment === '..') return segment.replaceAll('.', '%2E')
  return encodeURIComponent(segment)
}

function decodeSegment(encoded: string): string | undefined {
  try {
    const segment = decodeURIComponent(encoded)
    return encodeSegment(segment) === encoded ? segment : undefined
  } catch {
    return undefined
  }
}
