// What an error of ZooKeeper, or of the way there, means.

import type { Fate } from '@cajun/core/adapter'
import { Exception } from 'node-zookeeper-client'

/** The server's answer to one request. */
export class ZooKeeperError extends Error {
  readonly code: number

  constructor(code: number, what: string) {
    super(`${what}: ${MEANINGS.get(code) ?? `the server answered with error ${code}`}`)
    this.name = 'ZooKeeperError'
    this.code = code
  }
}

/** The session that was to be taken up again is over. */
export class SessionGoneError extends Error {}

/** SESSIONCLOSEDREQUIRESASLAUTH, which also stands for any other scheme that the server insists on. The client library does not know it. */
const WANTS_A_LOGIN = -124

const MEANINGS: ReadonlyMap<number, string> = new Map([
  [Exception.CONNECTION_LOSS, 'the connection was lost'],
  [Exception.MARSHALLING_ERROR, 'the server could not read the request'],
  [Exception.UNIMPLEMENTED, 'the server does not know this operation'],
  [Exception.BAD_ARGUMENTS, 'the server refused the arguments'],
  [Exception.NO_NODE, 'no such node'],
  [Exception.NO_AUTH, 'not authorised (NO_AUTH): the node belongs to another user; check `auth`'],
  [Exception.BAD_VERSION, 'the node has another version'],
  [Exception.NODE_EXISTS, 'the node exists'],
  [Exception.SESSION_EXPIRED, 'the session expired'],
  [Exception.INVALID_ACL, 'the server refused the access list (INVALID_ACL): log in with `auth`'],
  [Exception.AUTH_FAILED, 'authentication failed (AUTH_FAILED)'],
  [WANTS_A_LOGIN, 'the server lets in nobody who has not logged in; give `auth`'],
])

const REFUSALS: readonly number[] = [
  Exception.MARSHALLING_ERROR,
  Exception.UNIMPLEMENTED,
  Exception.BAD_ARGUMENTS,
  Exception.NO_AUTH,
  Exception.INVALID_ACL,
  Exception.AUTH_FAILED,
  WANTS_A_LOGIN,
]

export function classifyZooKeeperError(error: unknown): Fate {
  return REFUSALS.some((code) => isCode(error, code)) ? 'refused' : 'in-doubt'
}

export function isCode(error: unknown, code: number): boolean {
  return error instanceof ZooKeeperError && error.code === code
}

export function isMissing(error: unknown): boolean {
  return isCode(error, Exception.NO_NODE)
}
