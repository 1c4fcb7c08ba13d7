// Options that every metadata store takes, whatever its backend.

import { ConfigError } from '../errors.ts'
import { nodeRuntime } from '../runtime/node-runtime.ts'
import type { Runtime } from '../runtime/runtime.ts'

export interface MetadataStoreOptions {
  /** Within this many milliseconds every operation settles. Default 5,000. */
  readonly timeoutMs?: number
  /** Told what can't be rejected to anybody: a watch listener that threw, a watch that had to start again. Default: `console.error`. */
  readonly onError?: (error: unknown) => void
  /** Clocks, timers and randomness. Default: those of Node. */
  readonly runtime?: Runtime
}

export const metadataStoreDefaults: Required<MetadataStoreOptions> = {
  timeoutMs: 5_000,
  onError: (error: unknown): void => console.error(error),
  runtime: nodeRuntime,
}

export function resolveMetadataStoreOptions(options: MetadataStoreOptions): Required<MetadataStoreOptions> {
  const timeoutMs = options.timeoutMs ?? metadataStoreDefaults.timeoutMs
  if (!Number.isFinite(timeoutMs) || timeoutMs < 1) {
    throw new ConfigError(`timeoutMs is ${timeoutMs}; it must be a number of milliseconds of at least 1`)
  }
  const onError = options.onError ?? metadataStoreDefaults.onError
  if (typeof onError !== 'function') throw new ConfigError(`onError is ${typeof onError}; it must be a function that takes an error`)
  return { timeoutMs, onError, runtime: options.runtime ?? metadataStoreDefaults.runtime }
}
