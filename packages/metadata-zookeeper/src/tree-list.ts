// Everything under a prefix as it was at one moment, which takes many reads.

import type { Entry } from '@cajun/core/adapter'
import type { ZooKeeperConnection } from './connection.ts'
import type { KeySpace, PrefixRange } from './key-space.ts'
import { isMissing } from './zookeeper-errors.ts'

/** What changes faster than it can be read this often is told as it was found: each value is right, but they may be from different moments. */
const ATTEMPTS = 10

export async function listTree(
  connection: ZooKeeperConnection,
  space: KeySpace,
  range: PrefixRange,
  barrier: () => Promise<bigint>,
): Promise<readonly Entry[]> {
  for (let attempt = 1; ; attempt++) {
    const reading = new TreeReading(connection, space)
    const [asOf] = await Promise.all([barrier(), reading.directory(range.directory, range.keyPrefix, range.rest)])
    // Nothing is younger than the barrier, which comes before all reads: so all of it is what was there at the barrier.
    if ((reading.newest <= asOf && !reading.torn) || attempt === ATTEMPTS) return reading.entries
  }
}

class TreeReading {
  readonly entries: Entry[] = []
  /** The last change of anything that was read. */
  newest = 0n
  /** Something was gone before it could be read. */
  torn = false
  readonly #connection: ZooKeeperConnection
  readonly #space: KeySpace

  constructor(connection: ZooKeeperConnection, space: KeySpace) {
    this.#connection = connection
    this.#space = space
  }

  async directory(path: string, keyPrefix: string, rest: string): Promise<void> {
    const found = await this.#connection.children(path).catch(absent)
    if (found === undefined) return
    this.#note(found.stat.pzxid)
    await Promise.all(
      found.names.map((node) => {
        const child = this.#space.child(node)
        if (child === undefined || !child.name.startsWith(rest)) return undefined
        const [childPath, key] = [`${path}/${node}`, keyPrefix + child.name]
        return child.type === 'value' ? this.#value(childPath, key) : this.directory(childPath, `${key}/`, '')
      }),
    )
  }

  async #value(path: string, key: string): Promise<void> {
    const found = await this.#connection.data(path).catch(absent)
    if (found === undefined) {
      this.torn = true
      return
    }
    this.#note(found.stat.mzxid)
    this.entries.push(this.#space.entry(key, found.data, found.stat))
  }

  #note(zxid: Buffer): void {
    const changed = zxid.readBigUInt64BE()
    if (changed > this.newest) this.newest = changed
  }
}

function absent(error: unknown): undefined {
  if (!isMissing(error)) throw error
}
