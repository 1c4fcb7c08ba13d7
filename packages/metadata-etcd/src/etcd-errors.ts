// What an error of etcd, or of the way there, means.

import type { Fate } from '@cajun/core/adapter'
import {
  EtcdAuthenticationFailedError,
  EtcdLeaseInvalidError,
  EtcdPermissionDeniedError,
  GRPCFailedPreconditionError,
  GRPCInvalidArgumentError,
  GRPCNotImplementedError,
  GRPCOutOfRangeError,
  GRPCResourceExhastedError,
} from 'etcd3'

const REFUSALS = [
  EtcdAuthenticationFailedError,
  EtcdLeaseInvalidError,
  EtcdPermissionDeniedError,
  GRPCFailedPreconditionError,
  GRPCInvalidArgumentError,
  GRPCNotImplementedError,
  GRPCOutOfRangeError,
  GRPCResourceExhastedError,
]

export function classifyEtcdError(error: unknown): Fate {
  if (!(error instanceof Error)) return 'in-doubt'
  // The server has more to do than it can, or wants another token, and did not begin with this.
  if (/too many requests/.test(error.message) || isStaleToken(error.message)) return 'not-applied'
  return REFUSALS.some((refusal) => error instanceof refusal) ? 'refused' : 'in-doubt'
}

/** The token ended with the server that gave it, with a change of its user, or with any change of users and roles. */
export function isStaleToken(message: string): boolean {
  return /invalid auth token|revision of auth store is old/.test(message)
}

/** The lease was revoked, or its time is over. */
export function isLeaseGone(error: unknown): boolean {
  return error instanceof EtcdLeaseInvalidError
}

/** An answer from a living server, if not the one that was hoped for: the connection is not to blame. */
export function isAnswer(error: unknown): boolean {
  return classifyEtcdError(error) !== 'in-doubt'
}
