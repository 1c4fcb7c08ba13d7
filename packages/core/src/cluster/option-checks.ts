// Checks of single options, shared by what validates them: each refuses with a `ConfigError` that names the option, the value, and what would be right.

import { ConfigError } from '../errors.ts'

/** The longest that a timer of Node can be set to: 24.8 days. */
export const LONGEST_MS: number = 2 ** 31 - 1

/** Ids and kinds are segments of store keys, and stand in logs: no slash, no space, nothing that needs quoting. */
const NAME = /^[A-Za-z0-9._:@-]{1,128}$/

export function name(option: string, value: unknown): string {
  if (typeof value !== 'string' || !NAME.test(value)) {
    throw new ConfigError(`${option} is ${show(value)}; it must be 1 to 128 of the characters A-Z a-z 0-9 . _ - : @`)
  }
  return value
}

export function number(option: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !(value >= min && value <= max)) {
    throw new ConfigError(`${option} is ${show(value)}; it must be a number from ${min} to ${max}`)
  }
  return value
}

export function integer(option: string, value: unknown, min: number, max: number): number {
  if (!Number.isInteger(value) || (value as number) < min || (value as number) > max) {
    throw new ConfigError(`${option} is ${show(value)}; it must be a whole number from ${min} to ${max}`)
  }
  return value as number
}

export function flag(option: string, value: unknown): boolean {
  if (typeof value !== 'boolean') throw new ConfigError(`${option} is ${show(value)}; it must be true or false`)
  return value
}

export function oneOf<T extends string>(option: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) throw new ConfigError(`${option} is ${show(value)}; it must be one of ${allowed.join(', ')}`)
  return value
}

export function object(option: string, value: unknown, method: string, right: string): void {
  if (typeof value !== 'object' || value === null || typeof (value as Record<string, unknown>)[method] !== 'function') {
    throw new ConfigError(`${option} is ${show(value)}; it must be ${right}`)
  }
}

export function section<T extends object>(option: string, value: T | undefined, known: readonly string[]): T | undefined {
  if (value === undefined) return undefined
  if (typeof value !== 'object' || value === null) throw new ConfigError(`${option} is ${show(value)}; it must be an object`)
  for (const key of Object.keys(value)) {
    if (!known.includes(key)) throw new ConfigError(`unknown option ${option}.${key}; known are: ${known.join(', ')}`)
  }
  return value
}

/** A value as it stands in an error: short, and never the contents of an object, which may hold secrets. */
export function show(value: unknown): string {
  if (value === undefined) return 'missing'
  if (typeof value === 'string') return JSON.stringify(value.length > 140 ? `${value.slice(0, 140)}…` : value)
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'an array' : 'an object'
  return typeof value === 'function' ? 'a function' : String(value)
}
