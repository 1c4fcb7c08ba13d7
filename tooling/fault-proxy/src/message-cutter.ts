// Cuts a stream into the whole messages of the TCP transport's framing (type u8, length u24, body), so that the proxy can repeat and
// reorder them. On purpose not the transport's own decoder: a proxy that shares a mistake with what it tests can't show it.

const HEAD_BYTES = 4
export const DATA = 0x04

export class MessageCutter {
  #rest: Uint8Array = new Uint8Array(0)

  /** The messages that are whole now, heads included. */
  push(chunk: Uint8Array): Uint8Array[] {
    const bytes = this.#rest.byteLength === 0 ? chunk : Buffer.concat([this.#rest, chunk])
    const messages: Uint8Array[] = []
    let at = 0
    while (bytes.byteLength - at >= HEAD_BYTES) {
      const length = ((bytes[at + 1] as number) << 16) | ((bytes[at + 2] as number) << 8) | (bytes[at + 3] as number)
      const end = at + HEAD_BYTES + length
      if (end > bytes.byteLength) break
      messages.push(bytes.subarray(at, end))
      at = end
    }
    this.#rest = bytes.subarray(at)
    return messages
  }

  /** What is left of a message that never became whole. */
  rest(): Uint8Array {
    return this.#rest
  }
}
