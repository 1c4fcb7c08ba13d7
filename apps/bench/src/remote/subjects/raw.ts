// The raw floor: the least code that carries messages to actors of another process at full speed. A socket; messages packed into 64 KiB slabs that leave
// once per turn of the event loop; a binary header with actor and type as numbers; a JSON payload. No guarantees, deadlines, acknowledgements or limits.
//
//   message: total length u32 | actor u16 | type u8 | slot u32 | JSON          reply (type 2): total length u32 | 0 u16 | 2 u8 | slot u32 | JSON

import { connect, createServer, type Socket } from 'node:net'
import { payloads } from '../payloads.ts'
import { BURST, eventLoopTurn, inLanes, RECEIVERS, type RemoteSubject } from '../subject.ts'

const SLAB_BYTES = 65_536
const HEADER_BYTES = 11
const HIT = 0
const ECHO = 1
const REPLY = 2

interface SlabBuffer extends Buffer {
  utf8Write(text: string, offset: number): number
  utf8Slice(start: number, end: number): string
}

const newSlab = (): SlabBuffer => Buffer.allocUnsafeSlow(SLAB_BYTES) as SlabBuffer

class Packer {
  readonly #socket: Socket
  #slab = newSlab()
  #start = 0
  #at = 0
  #isScheduled = false
  readonly #onEndOfTurn = (): void => {
    this.#isScheduled = false
    this.#flush()
  }

  constructor(socket: Socket) {
    this.#socket = socket
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

  get isFull(): boolean {
    return this.#socket.writableNeedDrain
  }

  drained(): Promise<void> {
    return new Promise((resolve) => this.#socket.once('drain', () => resolve()))
  }

  #flush(): void {
    if (this.#at > this.#start) this.#socket.write(this.#slab.subarray(this.#start, this.#at))
    this.#start = this.#at
  }
}

type OnMessage = (actor: number, type: number, slot: number, payload: unknown) => void

/** Calls back for each whole message; keeps what is left of the last. */
function unpacking(onMessage: OnMessage): (chunk: Buffer) => void {
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

class RawActor {
  handled = 0
}

export const subject: RemoteSubject = {
  receive(_setUp, hit) {
    const actors = Array.from({ length: RECEIVERS }, () => new RawActor())
    const server = createServer({ noDelay: true }, (socket) => {
      const packer = new Packer(socket)
      socket.on('error', () => {})
      socket.on(
        'data',
        unpacking((actor, type, slot, payload) => {
          const target = actors[actor] as RawActor
          target.handled++
          hit()
          if (type === ECHO) packer.write(0, REPLY, slot, (payload as { id: number }).id)
        }),
      )
    })
    return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server.address())))
  },

  async send({ contact }) {
    const socket = connect({ port: (contact as { port: number }).port, host: '127.0.0.1', noDelay: true })
    await new Promise((resolve, reject) => socket.once('connect', resolve).once('error', reject))
    const packer = new Packer(socket)
    const slots: (((reply: unknown) => void) | undefined)[] = []
    const free: number[] = []
    socket.on(
      'data',
      unpacking((_actor, _type, slot, reply) => {
        const resolve = slots[slot]
        slots[slot] = undefined
        free.push(slot)
        resolve?.(reply)
      }),
    )
    return async (work) => {
      const make = payloads(work.bytes)
      if (work.do === 'oneway') {
        for (let n = 0; n < work.count; n++) {
          packer.write(n % RECEIVERS, HIT, 0, make(n))
          if (n % BURST !== BURST - 1) continue
          if (packer.isFull) await packer.drained()
          else await eventLoopTurn()
        }
        return undefined
      }
      if (work.do !== 'ask') throw new Error(`the raw floor has no '${work.do}'`)
      return inLanes(work.count, work.lanes, async (n) => {
        const payload = make(n)
        const reply = await new Promise((resolve) => {
          const slot = free.pop() ?? slots.length
          slots[slot] = resolve
          packer.write(n % RECEIVERS, ECHO, slot, payload)
        })
        if (reply !== payload.id) throw new Error('a wrong reply')
      })
    }
  },
}
