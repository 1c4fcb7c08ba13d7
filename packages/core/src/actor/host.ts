// What all actors of a process share. SIGNATURES FIRST: bodies follow within the hour.

import type { DeadlineSweep } from '../runtime/deadline-sweep.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { DeadLetter } from './dead-letter.ts'
import type { Destination } from './destination.ts'
import type { Logger } from './logger.ts'

export interface ActorHostOptions {
  readonly runtime: Runtime
  /** Where refs made by actors (`ctx.ref`, `ctx.sender`) send. */
  readonly refs: Destination
  readonly logger?: Logger | undefined
  /** Local payloads and replies pass through the payload codec. Default: `NODE_ENV === 'test'`. */
  readonly strict?: boolean | undefined
  /** Must not throw; the host guards against it all the same. */
  readonly onDeadLetter?: ((letter: DeadLetter) => void) | undefined
  /** Share one between the rooms; the host makes (and closes) its own otherwise. */
  readonly deadlines?: DeadlineSweep | undefined
}

export declare class ActorHost {
  readonly runtime: Runtime
  readonly refs: Destination
  readonly logger: Logger
  readonly strict: boolean
  readonly deadlines: DeadlineSweep
  constructor(options: ActorHostOptions)
  /** Reports a dead letter to `onDeadLetter`, and counts it. Never throws. */
  deadLetter(letter: DeadLetter): void
  /** No turn starts any more, timers end. After the tables were stopped. */
  close(): void
}
