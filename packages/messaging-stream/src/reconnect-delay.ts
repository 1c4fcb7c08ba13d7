// How long to wait before the next attempt: exponential backoff with full jitter, so that many peers that lost the same node do not come
// back in step.

export interface ReconnectOptions {
  /** Ceiling of the first wait. */
  readonly minDelayMs: number
  /** Ceiling of every later one. */
  readonly maxDelayMs: number
}

/** `attempts`: how many have failed in a row, or broke before they were stable. `random` in [0, 1). */
export function reconnectDelayMs(attempts: number, options: ReconnectOptions, random: number): number {
  const ceiling = Math.min(options.maxDelayMs, options.minDelayMs * 2 ** Math.min(attempts, 30))
  return random * ceiling
}
