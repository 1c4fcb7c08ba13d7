// Takes apart JSON that came from the metadata store, and trusts nothing: whatever is not as it must be is a `ProtocolError` that names the
// key and the place in it. The forms themselves belong to the documents.

import { ProtocolError } from '../errors.ts'
import { type ProtocolRange, rangeInWords } from '../messaging/protocol-version.ts'

/** What a node says of itself and who leads are read before anybody knows what others read: they keep one form, and only gain fields. */
export const FIRST_FORM: ProtocolRange = { min: 1, max: 1 }

export class StoredJson {
  readonly #key: string

  constructor(key: string) {
    this.#key = key
  }

  /** The root object of a stored value. */
  parse(value: string): Readonly<Record<string, unknown>> {
    let root: unknown
    try {
      root = JSON.parse(value)
    } catch {
      // V8's message quotes the text, which does not belong into errors.
      this.fail(`${value.length} characters that are not JSON`)
    }
    return this.object(root, 'the value')
  }

  /** The form in which the value was stored. */
  form(root: Readonly<Record<string, unknown>>, readable: ProtocolRange): number {
    const form = this.integer(root['v'], 'v', 1)
    if (form < readable.min || form > readable.max) this.fail(`stored in form ${form}; this release reads ${rangeInWords(readable)}`)
    return form
  }

  object(value: unknown, path: string): Readonly<Record<string, unknown>> {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) this.fail(`${path} is ${nameOf(value)}, not an object`)
    return value as Readonly<Record<string, unknown>>
  }

  array(value: unknown, path: string): readonly unknown[] {
    if (!Array.isArray(value)) this.fail(`${path} is ${nameOf(value)}, not an array`)
    return value
  }

  /** A string that is not empty. */
  string(value: unknown, path: string): string {
    if (typeof value !== 'string') this.fail(`${path} is ${nameOf(value)}, not a string`)
    if (value === '') this.fail(`${path} is empty`)
    return value
  }

  boolean(value: unknown, path: string): boolean {
    if (typeof value !== 'boolean') this.fail(`${path} is ${nameOf(value)}, not true or false`)
    return value
  }

  number(value: unknown, path: string, min: number): number {
    if (!Number.isFinite(value) || (value as number) < min) this.fail(`${path} is ${nameOf(value)}, not a finite number of at least ${min}`)
    return value as number
  }

  integer(value: unknown, path: string, min: number): number {
    if (!Number.isSafeInteger(value) || (value as number) < min) {
      this.fail(`${path} is ${nameOf(value)}, not a whole number of at least ${min}`)
    }
    return value as number
  }

  /** The element that a stored index names. */
  pick<T>(from: readonly T[], index: unknown, path: string): T {
    const found = from[this.integer(index, path, 0)]
    if (found === undefined) this.fail(`${path} is ${String(index)}, and there are ${from.length}`)
    return found
  }

  fail(problem: string): never {
    throw new ProtocolError(`${this.#key}: ${problem}`)
  }
}

function nameOf(value: unknown): string {
  if (value === undefined) return 'missing'
  if (value === null) return 'null'
  if (Array.isArray(value)) return 'an array'
  return typeof value === 'number' ? String(value) : `of type ${typeof value}`
}
