// Node's direct string methods of Buffer: what `toString` and `write` call after choosing an encoding. The choice costs more than
// the work for the short texts of messages. They have been there since the first releases; their types are missing in @types/node.

export interface NativeBuffer extends Buffer {
  utf8Slice(start: number, end: number): string
  latin1Slice(start: number, end: number): string
  ucs2Slice(start: number, end: number): string
  hexSlice(start: number, end: number): string
  latin1Write(text: string, offset: number, maxBytes: number): number
  utf8Write(text: string, offset: number, maxBytes: number): number
}

export function allocateBuffer(bytes: number): NativeBuffer {
  return Buffer.allocUnsafe(bytes) as NativeBuffer
}

/** Memory of its own, outside Node's pool: for slabs. */
export function allocateSlab(bytes: number): NativeBuffer {
  return Buffer.allocUnsafeSlow(bytes) as NativeBuffer
}

/** The same memory, seen as a Node buffer. */
export function asNativeBuffer(bytes: Uint8Array): NativeBuffer {
  return (bytes instanceof Buffer ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)) as NativeBuffer
}
