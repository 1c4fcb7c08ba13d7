// Conditional writes as etcd's transactions, and what their answers mean.

import type { Guard, PutRequest } from '@cajun/core/adapter'
import type { ICompare, IRequestOp, ITxnRequest, ITxnResponse } from 'etcd3'
import type { KeySpace } from './key-space.ts'

interface Conditions {
  readonly ifVersion?: PutRequest['ifVersion']
  readonly guard?: Guard | undefined
}

/** A revision as etcd gives it; 0 would mean a missing key. Any other text is the version of nothing. */
const REVISION = /^[1-9]\d{0,18}$/

export function isRevision(version: string): boolean {
  return REVISION.test(version)
}

export function transaction(space: KeySpace, writes: IRequestOp[], key: string | undefined, { ifVersion, guard }: Conditions): ITxnRequest {
  const compare: ICompare[] = []
  if (guard !== undefined) compare.push(hasRevision(space.key(guard.key), guard.version))
  if (key !== undefined && ifVersion === null) {
    compare.push({ key: space.key(key), target: 'Create', result: 'Equal', create_revision: 0 })
  } else if (key !== undefined && ifVersion !== undefined) {
    compare.push(hasRevision(space.key(key), ifVersion as string))
  }
  // When it is refused: was it the guard, or the key's own version?
  const failure: IRequestOp[] = guard === undefined ? [] : [{ request_range: { key: space.key(guard.key), keys_only: true } }]
  return { compare, success: writes, failure }
}

function hasRevision(key: Buffer, revision: string): ICompare {
  return { key, target: 'Mod', result: 'Equal', mod_revision: revision }
}

/** Why a transaction of `transaction` was refused. */
export function conflictOf(answer: ITxnResponse, guard: Guard | undefined): 'guard' | 'version' {
  if (guard === undefined) return 'version'
  const present = answer.responses[0]?.response_range?.kvs[0]
  return present !== undefined && String(present.mod_revision) === guard.version ? 'version' : 'guard'
}
