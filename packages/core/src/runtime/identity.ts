// Random identities: of a process, of a session, of a store. Made once, never reused.

import type { Runtime } from './runtime.ts'

/** 96 random bits as 24 hexadecimal digits: unique without coordination. */
export function newIdentity(runtime: Runtime): string {
  let text = ''
  for (const byte of runtime.randomBytes(12)) text += byte.toString(16).padStart(2, '0')
  return text
}
