// What a `MemoryMetadataStore` needs of its way to the database: in process (`local-link.ts`) or over a socket (`tcp-link.ts`).

import type { StoreCall, WatchSink } from '@cajun/core/adapter'
import type { AnswerTo, StoreRequest } from './requests.ts'

export interface MemoryLink {
  readonly endpoint: string
  open(call: StoreCall): Promise<void>
  close(): Promise<void>
  /** Rejects when the link breaks before the answer came. Sends it once. */
  request<R extends StoreRequest>(request: R, call: StoreCall): Promise<AnswerTo<R>>
  /** As `_watch` of the base class says. */
  watch(prefix: string, sink: WatchSink, call: StoreCall): Promise<() => void>
}
