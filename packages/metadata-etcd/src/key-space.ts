// How keys of the store stand in etcd, and how ranges of them are named.

import type { Change, Entry } from '@cajun/core/adapter'
import type { IEvent, IKeyValue } from 'etcd3'

export interface KeyRange {
  readonly key: Buffer
  readonly range_end: Buffer
}

const NUL = Buffer.from([0])

export class KeySpace {
  readonly #prefix: string
  readonly #prefixBytes: number

  constructor(prefix: string) {
    this.#prefix = prefix
    this.#prefixBytes = Buffer.byteLength(prefix)
  }

  key(key: string): Buffer {
    return Buffer.from(this.#prefix + key)
  }

  /** All that begins with `prefix`. UTF-8 knows no byte of 255, so the last byte can always be counted up. */
  range(prefix: string): KeyRange {
    const start = this.key(prefix)
    if (start.length === 0) return { key: NUL, range_end: NUL } // etcd's way of saying: everything
    const end = Buffer.from(start)
    end[end.length - 1] = (end.at(-1) as number) + 1
    return { key: start, range_end: end }
  }

  entry(stored: IKeyValue): Entry {
    const entry = { key: this.#name(stored), value: stored.value.toString(), version: String(stored.mod_revision) }
    // Text by its type; numbers where protobufjs has no library for long integers.
    const lease = String(stored.lease)
    return lease === '0' ? entry : { ...entry, session: lease }
  }

  change(event: IEvent): Change {
    return event.type === 'Put' ? { type: 'put', entry: this.entry(event.kv) } : { type: 'delete', key: this.#name(event.kv) }
  }

  #name(stored: IKeyValue): string {
    return stored.key.toString('utf8', this.#prefixBytes)
  }
}
