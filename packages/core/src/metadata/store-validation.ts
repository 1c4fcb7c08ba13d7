// What may be asked of a metadata store: checked once here, so that adapters see nothing else. Misuse is a `TypeError` that says what would be right.

import type { Guard } from './metadata-store.ts'

const MAX_KEY_BYTES = 512
const MIN_TTL_MS = 50
const MAX_TTL_MS = 86_400_000

export function requireKey(key: unknown): asserts key is string {
  requireText('key', key)
  const bytes = Buffer.byteLength(key)
  if (bytes === 0 || bytes > MAX_KEY_BYTES) throw new TypeError(`a key takes 1 to ${MAX_KEY_BYTES} bytes of UTF-8; this one takes ${bytes}`)
  if (key.startsWith('/') || key.endsWith('/') || key.includes('//')) {
    throw new TypeError(`key '${key}' has an empty segment; write segments joined by single '/', as in 'cajun/nodes/n1'`)
  }
}

/** Any text, also the empty one (everything) and one that ends within a segment. */
export function requirePrefix(prefix: unknown): asserts prefix is string {
  requireText('prefix', prefix)
  const bytes = Buffer.byteLength(prefix)
  if (bytes > MAX_KEY_BYTES) throw new TypeError(`a prefix takes at most ${MAX_KEY_BYTES} bytes of UTF-8; this one takes ${bytes}`)
}

/** Returns the size in bytes, which whoever splits batches needs too. */
export function requireValue(key: string, value: unknown, maxValueBytes: number): number {
  requireText(`value of '${key}'`, value)
  const bytes = Buffer.byteLength(value)
  if (bytes > maxValueBytes) {
    throw new TypeError(`value of '${key}' takes ${bytes} bytes; this store takes at most ${maxValueBytes} (capabilities.maxValueBytes)`)
  }
  return bytes
}

export function requireVersion(version: unknown): asserts version is string {
  if (typeof version !== 'string' || version === '') {
    throw new TypeError(`ifVersion is ${describe(version)}; it must be the \`version\` of an entry, null (must not exist), or left out`)
  }
}

export function requireGuard(guard: Guard): void {
  if (typeof guard !== 'object' || guard === null) throw new TypeError(`guard is ${describe(guard)}; it must be { key, version }`)
  requireKey(guard.key)
  if (typeof guard.version !== 'string' || guard.version === '') {
    throw new TypeError(`guard.version is ${describe(guard.version)}; it must be the \`version\` that '${guard.key}' has to have`)
  }
}

export function requireTtl(ttlMs: unknown): asserts ttlMs is number {
  if (typeof ttlMs !== 'number' || !Number.isInteger(ttlMs) || ttlMs < MIN_TTL_MS || ttlMs > MAX_TTL_MS) {
    throw new TypeError(`ttlMs is ${describe(ttlMs)}; it must be a whole number of milliseconds from ${MIN_TTL_MS} to ${MAX_TTL_MS}`)
  }
}

function requireText(what: string, text: unknown): asserts text is string {
  if (typeof text !== 'string') throw new TypeError(`${what} is ${describe(text)}; it must be a string`)
  // A lone surrogate has no UTF-8 form: it would come back as another string than it went.
  if (!text.isWellFormed()) throw new TypeError(`${what} holds a lone surrogate; it must be well-formed text`)
}

function describe(value: unknown): string {
  return typeof value === 'number' ? String(value) : value === null ? 'null' : value === '' ? 'empty' : `a ${typeof value}`
}
