// What is under a prefix, kept up to date over one connection. A watch of ZooKeeper fires once and says no more than that something changed: the node is read
// again, with the next watch, and what differs is told.
//
// Everything happens in the order of the server's answers, which is the order of the requests, so a later answer never knows less than an earlier one.

import type { Change, Entry, WatchSink } from '@cajun/core/adapter'
import type { ZooKeeperConnection } from './connection.ts'
import type { KeySpace, PrefixRange } from './key-space.ts'
import { isMissing } from './zookeeper-errors.ts'

interface Directory {
  readonly path: string
  readonly keyPrefix: string
  readonly rest: string
  /** By node. */
  readonly values: Map<string, Entry | undefined>
  readonly directories: Map<string, Directory>
}

export interface TreeMirrorOptions {
  readonly connection: ZooKeeperConnection
  readonly space: KeySpace
  readonly range: PrefixRange
  readonly sink: WatchSink
  /** A read failed for another reason than a lost connection. */
  readonly onError: (error: Error) => void
}

export class TreeMirror {
  readonly #options: TreeMirrorOptions
  readonly #top: Directory
  /** Reads that the snapshot waits for. */
  #awaited = 0
  #begin: { resolve(): void; reject(error: Error): void } | undefined
  #stopped = false

  constructor(options: TreeMirrorOptions) {
    this.#options = options
    const { directory, keyPrefix, rest } = options.range
    this.#top = { path: directory, keyPrefix, rest, values: new Map(), directories: new Map() }
  }

  /** Resolves when the snapshot was delivered. The caller sees to it that it is not waited for beyond the connection's end. */
  start(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#begin = { resolve, reject }
      this.#readDirectory(this.#top)
    })
  }

  stop(): void {
    this.#stopped = true
  }

  #readDirectory(directory: Directory): void {
    const again = (): void => this.#readDirectory(directory)
    const settle = this.#await()
    this.#options.connection.readChildren(directory.path, this.#unlessStopped(again), (error, found) => {
      if (this.#stopped) return
      if (error === undefined) this.#compare(directory, found.names)
      else if (!isMissing(error)) return this.#fail(error)
      else if (directory === this.#top) return this.#makeTop()
      else this.#forget(directory)
      settle()
    })
  }

  /** Somebody removed it, or the store is new: there is nothing that could be watched otherwise. */
  #makeTop(): void {
    const { connection, space } = this.#options
    this.#forget(this.#top)
    const made = Promise.all(space.directoriesTo(this.#top.path).map((path) => connection.make(path)))
    made.then(
      () => {
        this.#awaited = Math.max(0, this.#awaited - 1)
        if (!this.#stopped) this.#readDirectory(this.#top)
      },
      (error: Error) => this.#fail(error),
    )
  }

  #compare(directory: Directory, names: readonly string[]): void {
    const { space } = this.#options
    const present = new Set(names)
    const deleted: Change[] = []
    for (const [node, entry] of directory.values) {
      if (present.has(node)) continue
      directory.values.delete(node)
      if (entry !== undefined) deleted.push({ type: 'delete', key: entry.key })
    }
    this.#tell(deleted)
    for (const [node, child] of directory.directories) {
      if (present.has(node)) continue
      directory.directories.delete(node)
      this.#forget(child)
    }
    for (const node of names) {
      const child = space.child(node)
      if (child === undefined || !child.name.startsWith(directory.rest)) continue
      const key = directory.keyPrefix + child.name
      if (child.type === 'value') {
        if (directory.values.has(node)) continue
        directory.values.set(node, undefined)
        this.#readValue(directory, node, key)
      } else if (!directory.directories.has(node)) {
        const below: Directory = {
          path: `${directory.path}/${node}`,
          keyPrefix: `${key}/`,
          rest: '',
          values: new Map(),
          directories: new Map(),
        }
        directory.directories.set(node, below)
        this.#readDirectory(below)
      }
    }
  }

  #readValue(directory: Directory, node: string, key: string): void {
    const again = (): void => this.#readValue(directory, node, key)
    const settle = this.#await()
    this.#options.connection.readData(`${directory.path}/${node}`, this.#unlessStopped(again), (error, found) => {
      if (this.#stopped) return
      const known = directory.values.get(node)
      if (error === undefined) {
        const entry = this.#options.space.entry(key, found.data, found.stat)
        directory.values.set(node, entry)
        if (known?.version !== entry.version) this.#tell([{ type: 'put', entry }])
      } else if (isMissing(error)) {
        // Should it come back, the directory's watch says so, and finds that it is not known.
        directory.values.delete(node)
        if (known !== undefined) this.#tell([{ type: 'delete', key }])
      } else return this.#fail(error)
      settle()
    })
  }

  #forget(directory: Directory): void {
    const deleted = [...entriesOf(directory)].map((entry): Change => ({ type: 'delete', key: entry.key }))
    directory.values.clear()
    directory.directories.clear()
    this.#tell(deleted)
  }

  #tell(changes: readonly Change[]): void {
    // Before the snapshot nobody knows anything that could have changed.
    if (this.#begin === undefined && changes.length > 0) this.#options.sink.changes(changes)
  }

  /** Before the snapshot, it waits for each read that the tree asks for. */
  #await(): () => void {
    if (this.#begin === undefined) return () => {}
    this.#awaited++
    return () => {
      if (--this.#awaited > 0 || this.#begin === undefined) return
      const { resolve } = this.#begin
      this.#begin = undefined
      this.#options.sink.snapshot([...entriesOf(this.#top)])
      resolve()
    }
  }

  #fail(error: Error): void {
    const begin = this.#begin
    this.#begin = undefined
    this.#stopped = true
    if (begin === undefined) this.#options.onError(error)
    else begin.reject(error)
  }

  #unlessStopped(work: () => void): () => void {
    return () => {
      if (!this.#stopped && !this.#options.sink.closed) work()
    }
  }
}

function* entriesOf(directory: Directory): Generator<Entry> {
  for (const entry of directory.values.values()) if (entry !== undefined) yield entry
  for (const child of directory.directories.values()) yield* entriesOf(child)
}
