// What the parent says to a node process, and how it starts one.

import type { LogLevel } from '@cajun/core'
import type { DeploymentDescription } from './deployment.ts'
import type { LoadOptions } from './load.ts'

export interface NodeOptions {
  readonly nodeId: string
  /** Where this process notes what it handled. */
  readonly ledger: string
  readonly deployment: DeploymentDescription
  readonly clusterId: string
  readonly sessionTtlMs: number
  /** Default `warn`. */
  readonly logLevel?: LogLevel
  /** Sends only; owns no account. */
  readonly isClient?: boolean
}

export type Command =
  | { readonly do: 'start-load'; readonly load: LoadOptions }
  | { readonly do: 'progress' | 'finish-load' | 'nodes' | 'elect' | 'health' | 'moves' | 'stop' }
  | { readonly do: 'where' | 'balance'; readonly actor: string }
  | { readonly do: 'migrate'; readonly actor: string; readonly to: string }
  | { readonly do: 'drain'; readonly node: string }

/** What a node has counted since it started. */
export interface Moves {
  /** Handed over to it. */
  readonly arrived: number
  /** Begun with it at either end, and given up. */
  readonly aborted: number
  /** Given to new owners by it, as leader. */
  readonly failedOver: number
}
