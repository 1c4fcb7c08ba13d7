// The messages of the loopback protocol, version 1, and what of them is believed.
//
//   client                                                     server
//   {"hello":1,"client":<24 hex>,"connection":<n>}   ────>
//                                                    <────     {"welcome":1,"storeId":<text>}   or {"refused":<reason>} and the end
//   {"id":<n>,"request":{"op":…}}                    ────>
//                                                    <────     {"id":<n>,"part":[…]}*  {"id":<n>,"answer":…}
//   {"id":<n>,"watch":<prefix>}                      ────>
//                                                    <────     {"watch":<n>,"part":[…]}*  {"watch":<n>,"snapshot":[…]}   first, and after a gap
//                                                    <────     {"watch":<n>,"changes":[…]}
//   {"unwatch":<n>}                                  ────>
//
// Long lists come in parts, the last of which says `answer` or `snapshot`. `connection` counts up with each connection of one client: the
// server serves only its highest, so that a request left behind on a dead connection can't land after newer ones.
// Gotcha: other processes of the same cluster may run another release; a change here needs another version number.

import { type Change, type Entry, ProtocolError } from '@cajun/core/adapter'
import { memoryCapabilities } from './capabilities.ts'
import type { StoreRequest } from './requests.ts'

export const PROTOCOL_VERSION = 1
/** The largest batch with every character escaped, and something for its keys. */
export const MAX_FRAME_BYTES: number = 16 * 1_048_576
export const MAX_HELLO_BYTES = 1_024
/** A part of a list ends when its texts exceed this. */
const PART_CHARACTERS = 262_144

export type ClientMessage =
  | { readonly type: 'hello'; readonly version: number; readonly client: string; readonly connection: number }
  | { readonly type: 'request'; readonly id: number; readonly request: StoreRequest }
  | { readonly type: 'watch'; readonly id: number; readonly prefix: string }
  | { readonly type: 'unwatch'; readonly id: number }

export type ServerMessage =
  | { readonly type: 'welcome'; readonly storeId: string }
  | { readonly type: 'refused'; readonly reason: string }
  | { readonly type: 'answer'; readonly id: number; readonly answer: unknown }
  | { readonly type: 'answerPart'; readonly id: number; readonly entries: readonly Entry[] }
  | { readonly type: 'snapshot'; readonly id: number; readonly entries: readonly Entry[] }
  | { readonly type: 'snapshotPart'; readonly id: number; readonly entries: readonly Entry[] }
  | { readonly type: 'changes'; readonly id: number; readonly changes: readonly Change[] }

type Fields = Record<string, unknown>

/** What a client sent, or a `ProtocolError`. Nothing unchecked reaches the database. */
export function readClientMessage(fields: Fields): ClientMessage {
  if ('hello' in fields) {
    return {
      type: 'hello',
      version: integer(fields, 'hello'),
      client: text(fields, 'client', 64),
      connection: integer(fields, 'connection'),
    }
  }
  if ('unwatch' in fields) return { type: 'unwatch', id: integer(fields, 'unwatch') }
  const id = integer(fields, 'id')
  if ('watch' in fields) return { type: 'watch', id, prefix: text(fields, 'watch', 512) }
  return { type: 'request', id, request: readRequest(object(fields, 'request')) }
}

/** What a server sent. Its lists are taken as they are: who serves the store is trusted with its content. */
export function readServerMessage(fields: Fields): ServerMessage {
  if ('welcome' in fields) {
    if (fields['welcome'] !== PROTOCOL_VERSION)
      throw new ProtocolError(`the server speaks version ${fields['welcome']}, we speak ${PROTOCOL_VERSION}`)
    return { type: 'welcome', storeId: text(fields, 'storeId', 64) }
  }
  if ('refused' in fields) return { type: 'refused', reason: text(fields, 'refused', 1_024) }
  if ('watch' in fields) {
    const id = integer(fields, 'watch')
    if ('part' in fields) return { type: 'snapshotPart', id, entries: array(fields, 'part') as Entry[] }
    if ('snapshot' in fields) return { type: 'snapshot', id, entries: array(fields, 'snapshot') as Entry[] }
    return { type: 'changes', id, changes: array(fields, 'changes') as Change[] }
  }
  const id = integer(fields, 'id')
  if ('part' in fields) return { type: 'answerPart', id, entries: array(fields, 'part') as Entry[] }
  if (!('answer' in fields)) throw new ProtocolError('a message of no known kind')
  return { type: 'answer', id, answer: fields['answer'] }
}

/** Cuts a list where its texts become too much for one frame. At least one part, which may be empty. */
export function partsOf<T>(list: readonly T[], entryOf: (item: T) => Entry | undefined): T[][] {
  const parts: T[][] = [[]]
  let characters = 0
  for (const item of list) {
    const entry = entryOf(item)
    const size = entry === undefined ? 600 : entry.key.length + entry.value.length + 100
    if (characters > 0 && characters + size > PART_CHARACTERS) {
      parts.push([])
      characters = 0
    }
    characters += size
    parts.at(-1)?.push(item)
  }
  return parts
}

function readRequest(fields: Fields): StoreRequest {
  const op = fields['op']
  switch (op) {
    case 'ping':
    case 'storeId':
      return { op }
    case 'get':
      return { op, key: key(fields) }
    case 'list':
      return { op, prefix: text(fields, 'prefix', 512) }
    case 'put':
      return { op, key: key(fields), value: value(fields), ifVersion: nullableText(fields, 'ifVersion'), ...condition(fields) }
    case 'putAll': {
      const entries = array(fields, 'entries').map((entry) => {
        if (typeof entry !== 'object' || entry === null) throw new ProtocolError('an entry that is not an object')
        return { key: key(entry as Fields), value: value(entry as Fields) }
      })
      if (entries.length > memoryCapabilities.maxBatch) throw new ProtocolError(`a batch of ${entries.length} entries`)
      return { op, entries, ...condition(fields) }
    }
    case 'delete': {
      const ifVersion = nullableText(fields, 'ifVersion')
      if (ifVersion === null) throw new ProtocolError('a delete of what must not exist')
      return { op, key: key(fields), ifVersion, guard: condition(fields).guard }
    }
    case 'openSession': {
      const ttlMs = integer(fields, 'ttlMs')
      if (ttlMs < 1 || ttlMs > 86_400_000) throw new ProtocolError(`a TTL of ${ttlMs} ms`)
      return { op, session: text(fields, 'session', 64), ttlMs }
    }
    case 'renewSession':
    case 'closeSession':
      return { op, session: text(fields, 'session', 64) }
    default:
      throw new ProtocolError('a request of no known kind')
  }
}

function condition(fields: Fields): { guard: { key: string; version: string } | undefined; session: string | undefined } {
  const guard = fields['guard'] === undefined ? undefined : object(fields, 'guard')
  return {
    guard: guard === undefined ? undefined : { key: key(guard), version: text(guard, 'version', 64) },
    session: fields['session'] === undefined ? undefined : text(fields, 'session', 64),
  }
}

function key(fields: Fields): string {
  const found = text(fields, 'key', 512)
  if (found === '') throw new ProtocolError('an empty key')
  return found
}

function value(fields: Fields): string {
  return text(fields, 'value', memoryCapabilities.maxValueBytes)
}

function nullableText(fields: Fields, name: string): string | null | undefined {
  return fields[name] === undefined || fields[name] === null ? (fields[name] as null | undefined) : text(fields, name, 64)
}

function text(fields: Fields, name: string, maxBytes: number): string {
  const found = fields[name]
  if (typeof found !== 'string' || Buffer.byteLength(found) > maxBytes || !found.isWellFormed()) {
    throw new ProtocolError(`field '${name}' is not well-formed text of at most ${maxBytes} bytes`)
  }
  return found
}

function integer(fields: Fields, name: string): number {
  const found = fields[name]
  if (!Number.isSafeInteger(found) || (found as number) < 0) throw new ProtocolError(`field '${name}' is not a whole number`)
  return found as number
}

function object(fields: Fields, name: string): Fields {
  const found = fields[name]
  if (typeof found !== 'object' || found === null || Array.isArray(found)) throw new ProtocolError(`field '${name}' is not an object`)
  return found as Fields
}

function array(fields: Fields, name: string): unknown[] {
  const found = fields[name]
  if (!Array.isArray(found)) throw new ProtocolError(`field '${name}' is not a list`)
  return found
}
