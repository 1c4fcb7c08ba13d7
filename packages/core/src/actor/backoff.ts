// How long to wait before trying again: doubling from an initial delay up to a longest one, with jitter.

import { ConfigError } from '../errors.ts'
import type { Runtime } from '../runtime/runtime.ts'

export interface BackoffOptions {
  /** The first delay. Default 100. */
  readonly initialMs?: number | undefined
  /** The longest delay. Default 30,000. */
  readonly maxMs?: number | undefined
  /** By how much each delay exceeds the last. Default 2. */
  readonly factor?: number | undefined
  /** Share of the delay that is random, 0 to 1. Default 0.2. */
  readonly jitter?: number | undefined
}

export type Backoff = { readonly [K in keyof BackoffOptions]-?: number }

export const DEFAULT_BACKOFF: Backoff = { initialMs: 100, maxMs: 30_000, factor: 2, jitter: 0.2 }

/** A plain number is a constant delay. */
export function resolveBackoff(name: string, given: number | BackoffOptions | undefined): Backoff {
  if (typeof given === 'number') {
    return { initialMs: checkDuration(name, given), maxMs: given, factor: 1, jitter: 0 }
  }
  const initialMs = checkDuration(`${name}.initialMs`, given?.initialMs ?? DEFAULT_BACKOFF.initialMs)
  const maxMs = checkDuration(`${name}.maxMs`, given?.maxMs ?? Math.max(initialMs, DEFAULT_BACKOFF.maxMs))
  const factor = given?.factor ?? DEFAULT_BACKOFF.factor
  const jitter = given?.jitter ?? DEFAULT_BACKOFF.jitter
  if (maxMs < initialMs) throw new ConfigError(`${name}.maxMs is ${maxMs}, below initialMs (${initialMs})`)
  if (!(factor >= 1)) throw new ConfigError(`${name}.factor is ${factor}; it must be at least 1`)
  if (!(jitter >= 0 && jitter <= 1)) throw new ConfigError(`${name}.jitter is ${jitter}; it must be between 0 and 1`)
  return { initialMs, maxMs, factor, jitter }
}

/** `attempt` counts from 0. */
export function backoffDelayMs(backoff: Backoff, attempt: number, runtime: Runtime): number {
  const delay = Math.min(backoff.maxMs, backoff.initialMs * backoff.factor ** attempt)
  return delay * (1 - backoff.jitter * runtime.random())
}

export function checkDuration(name: string, value: number): number {
  if (typeof value !== 'number' || !(value >= 0)) {
    throw new ConfigError(`${name} is ${String(value)}; it must be a number of milliseconds, 0 or more`)
  }
  return value
}
