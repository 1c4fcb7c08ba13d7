// The streams of this process, by the actor that they go to. Only the index; where a stream goes is `outbound.ts`.

import type { ActorAddress } from '../messaging/address.ts'
import { addressKey } from '../messaging/address.ts'
import { OutStream } from './out-stream.ts'

export class OutStreams {
  readonly #kinds = new Map<string, Map<string, OutStream>>()
  readonly #children = new Map<string, OutStream>()
  /** Streams that wait for something other than a link: an owner, a tenure of this process, the lease. */
  readonly waiting: Set<OutStream> = new Set()

  find(kind: string, id: string, path: string | undefined): OutStream | undefined {
    if (path !== undefined) return this.#children.get(addressKey({ kind, id, path }))
    return this.#kinds.get(kind)?.get(id)
  }

  add(address: ActorAddress): OutStream {
    const { kind, id, path } = address
    const stream = new OutStream(kind, id, path)
    if (path !== undefined) this.#children.set(addressKey(stream), stream)
    else {
      let streams = this.#kinds.get(kind)
      if (streams === undefined) {
        streams = new Map()
        this.#kinds.set(kind, streams)
      }
      streams.set(id, stream)
    }
    return stream
  }

  /** Forgets a stream with nothing outstanding, unless a link knows its actor by number. */
  closeIfIdle(stream: OutStream): void {
    if (stream.isIdle && stream.slot === 0) this.evict(stream)
  }

  evict(stream: OutStream): void {
    if (!stream.isIdle) return
    this.waiting.delete(stream)
    stream.isWaiting = false
    if (stream.path !== undefined) this.#children.delete(addressKey(stream))
    else {
      const streams = this.#kinds.get(stream.kind)
      if (streams?.get(stream.id) === stream) streams.delete(stream.id)
    }
  }

  *all(kind?: string): Iterable<OutStream> {
    if (kind === undefined) for (const streams of this.#kinds.values()) yield* [...streams.values()]
    else yield* [...(this.#kinds.get(kind)?.values() ?? [])]
    for (const stream of [...this.#children.values()]) if (kind === undefined || stream.kind === kind) yield stream
  }
}
