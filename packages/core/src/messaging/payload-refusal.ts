// Which message a payload that was refused belongs to. The codec knows the way inside the payload alone, and its hot path is spared the rest.

import { PayloadTooLargeError, UnserialisablePayloadError } from '../errors.ts'
import { type ActorAddress, formatAddress } from './address.ts'

/** For use in a `catch`: what the codec threw, with message and actor in front; anything else as it is. */
export function namePayload(error: unknown, type: string, address: ActorAddress): unknown {
  if (error instanceof UnserialisablePayloadError || error instanceof PayloadTooLargeError) {
    return error.naming(`'${type}' to ${formatAddress(address)}`)
  }
  return error
}
