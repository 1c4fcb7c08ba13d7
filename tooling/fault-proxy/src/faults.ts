// What a proxy can do to the bytes of one way between a client and its target.

/** `toTarget`: what the client says. `toClient`: what the target says. */
export type Way = 'toTarget' | 'toClient'

export interface WayFaults {
  /** Nothing passes; what was sent waits, as far as the buffers go. */
  held: boolean
  /** Added to each chunk. */
  delayMs: number
  /** Undefined: as fast as it goes. */
  bytesPerSecond: number | undefined
  /** Frame faults rest. */
  calm: boolean
}

/** Chances per frame of the TCP transport (messages of type data). Only frames that arrive together can be reordered. */
export interface FrameFaults {
  readonly lose: number
  readonly repeat: number
  readonly reorder: number
}

export function noFaults(): WayFaults {
  return { held: false, delayMs: 0, bytesPerSecond: undefined, calm: false }
}
