// The value of the leader key: who leads.

import type { Entry } from '../metadata/metadata-store.ts'
import type { Owner } from './placement-document.ts'
import { FIRST_FORM, StoredJson } from './stored-json.ts'

export interface LeaderIdentity extends Owner {
  /** Of the key: differs from one leadership to the next. */
  readonly version: string
}

export function encodeLeader(self: Owner): string {
  return JSON.stringify({ v: FIRST_FORM.max, node: self.nodeId, process: self.processId, incarnation: self.incarnation })
}

/** Throws `ProtocolError` naming the key and the field. */
export function parseLeader(entry: Entry): LeaderIdentity {
  const at = new StoredJson(entry.key)
  const root = at.parse(entry.value)
  at.form(root, FIRST_FORM)
  return {
    nodeId: at.string(root['node'], 'node'),
    processId: at.string(root['process'], 'process'),
    incarnation: at.string(root['incarnation'], 'incarnation'),
    version: entry.version,
  }
}
