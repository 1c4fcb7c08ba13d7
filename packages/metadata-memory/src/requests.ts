// What can be asked of the embedded store, and what it answers. The same objects are handed over in process and written to the wire as JSON.

import type { DeleteOptions, Entry, Guard, MemoryDatabase, PutAllResult, WriteResult } from '@cajun/core/adapter'

export type StoreRequest =
  | { readonly op: 'ping' }
  | { readonly op: 'storeId' }
  | { readonly op: 'get'; readonly key: string }
  | { readonly op: 'list'; readonly prefix: string }
  | {
      readonly op: 'put'
      readonly key: string
      readonly value: string
      readonly ifVersion?: string | null | undefined
      readonly guard?: Guard | undefined
      readonly session?: string | undefined
    }
  | {
      readonly op: 'putAll'
      readonly entries: ReadonlyArray<{ readonly key: string; readonly value: string }>
      readonly guard?: Guard | undefined
      readonly session?: string | undefined
    }
  | { readonly op: 'delete'; readonly key: string; readonly ifVersion?: string | undefined; readonly guard?: Guard | undefined }
  | { readonly op: 'openSession'; readonly session: string; readonly ttlMs: number }
  | { readonly op: 'renewSession'; readonly session: string }
  | { readonly op: 'closeSession'; readonly session: string }

export interface StoreAnswers {
  ping: null
  storeId: string
  get: Entry | null
  list: readonly Entry[]
  put: WriteResult
  putAll: PutAllResult
  delete: WriteResult
  openSession: null
  /** The TTL granted anew; `null`: the session has ended. */
  renewSession: number | null
  closeSession: null
}

export type AnswerTo<R extends StoreRequest> = StoreAnswers[R['op']]

/** Carries one request out, at once. */
export function execute(database: MemoryDatabase, request: StoreRequest): StoreAnswers[StoreRequest['op']] {
  switch (request.op) {
    case 'ping':
      return null
    case 'storeId':
      return database.storeId
    case 'get':
      return database.get(request.key) ?? null
    case 'list':
      return database.list(request.prefix)
    case 'put':
      return database.put(request.key, request.value, request)
    case 'putAll':
      return database.putAll(request.entries, request)
    case 'delete':
      return database.delete(request.key, request as DeleteOptions)
    case 'openSession':
      // The client names its session, so that asking again after a lost answer opens no second one.
      if (database.renewSession(request.session) === undefined) database.openSession(request.session, request.ttlMs)
      return null
    case 'renewSession':
      return database.renewSession(request.session) ?? null
    case 'closeSession':
      database.closeSession(request.session)
      return null
  }
}
