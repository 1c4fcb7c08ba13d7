// How the floors between processes pack: messages into 64 KiB slabs that leave once per turn of the event loop; a binary header with actor and type as
// numbers; a JSON payload. No guarantees, deadlines, acknowledgements or limits.
//
//   message: total length u32 | actor u16 | type u8 | slot u32 | JSON          reply (type 2): total length u32 | 0 u16 | 2 u8 | slot u32 | JSON

const SLAB_BYTES = 65_536
const HEADER_BYTES = 11
export const HIT = 0
export const ECHO = 1
export const REPLY = 2

interface SlabBuffer extends Buffer {
  utf8Write(text: string, offset: number): number
  utf8Slice(start: number, end: number): string
}

const newSlab = (): SlabBuffer => Buffer.allocUnsafeSlow(SLAB_BYTES) as SlabBuffer

export class Packer {
  readonly #leave: (packet: Buffer) => void
  #slab = newSlab()
  #start = 0
  #at = 0
  #isScheduled = false
  readonly #onEndOfTurn = (): void => {
    this.#isScheduled = false
    this.#flush()
  }

  constructor(leave: (packet: Buffer) => void) {
    this.#leave = leave
  }

  write(actor: number, type: number, slot: number, payload: unknown): void {
    const text = JSON.stringify(payload)
    if (this.#at + HEADER_BYTES + text.length * 3 > SLAB_BYTES) {
      this.#flush()
      this.#slab = newSlab()
      this.#start = 0
      this.#at = 0
    }
    const slab = this.#slab
    const at = this.#at
    const length = HEADER_BYTES + slab.utf8Write(text, at + HEADER_BYTES)
    slab.writeUInt32LE(length, at)
    slab.writeUInt16LE(actor, at + 4)
    slab[at + 6] = type
    slab.writeUInt32LE(slot, at + 7)
    this.#at = at + length
    if (!this.#isScheduled) {
      this.#isScheduled = true
      setImmediate(this.#onEndOfTurn)
    }
  }

  #flush(): void {
    if (this.#at > this.#start) this.#leave(this.#slab.subarray(this.#start, this.#at))
    this.#start = this.#at
  }
}

export type OnMessage = (actor: number, type: number, slot: number, payload: unknown) => void

/** Calls back for each whole message; keeps what is left of the last. */
export function unpacking(onMessage: OnMessage): (chunk: Buffer) => void {
  let rest: Buffer | undefined
  return (chunk) => {
    const bytes = (rest === undefined ? chunk : Buffer.concat([rest, chunk])) as SlabBuffer
    let at = 0
    while (bytes.length - at >= 4) {
      const end = at + bytes.readUInt32LE(at)
      if (end > bytes.length) break
      const payload: unknown = JSON.parse(bytes.utf8Slice(at + HEADER_BYTES, end))
      onMessage(bytes.readUInt16LE(at + 4), bytes[at + 6] as number, bytes.readUInt32LE(at + 7), payload)
      at = end
    }
    rest = at === bytes.length ? undefined : bytes.subarray(at)
  }
}

/** What the floors have for an actor. */
export class FloorActor {
  handled = 0
}
