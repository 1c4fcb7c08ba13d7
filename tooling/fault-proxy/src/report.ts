// What a proxy did: so that a test can prove that the faults it asked for happened.

export interface FaultReport {
  connections: number
  /** That exist now. */
  open: number
  bytes: number
  /** Whole frames seen; only in frame-aware mode, as are the next three. */
  frames: number
  lostFrames: number
  repeatedFrames: number
  reorderedFrames: number
  /** Connections broken by `drop`. */
  dropped: number
  /** Connections broken while bytes were under way. */
  brokenMidway: number
  /** Times that a way was held, delayed or throttled. */
  holds: number
  delays: number
  throttles: number
}

export function emptyReport(): FaultReport {
  return {
    connections: 0,
    open: 0,
    bytes: 0,
    frames: 0,
    lostFrames: 0,
    repeatedFrames: 0,
    reorderedFrames: 0,
    dropped: 0,
    brokenMidway: 0,
    holds: 0,
    delays: 0,
    throttles: 0,
  }
}
