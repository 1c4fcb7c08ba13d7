// What a value is, as far as payloads care, and how its place in a payload is written for people.

/** Deeper values are refused by the encoder, and by the decoder. */
export const MAX_PAYLOAD_DEPTH = 200

/** `payload.items[3].callback`. Steps are property names, array indexes, or text in brackets such as `<key 0>`. */
export function formatPath(root: string, steps: readonly (string | number)[]): string {
  let path = root
  for (const step of steps) {
    if (typeof step === 'number') path += `[${step}]`
    else if (/^[A-Za-z_$][\w$]*$/.test(step) || step.startsWith('<')) path += `.${step}`
    else path += `[${JSON.stringify(step)}]`
  }
  return path
}

/** `{}` or `Object.create(null)`, of this realm or another. */
export function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value)
  if (prototype === Object.prototype || prototype === null) return true
  // Another realm's Object.prototype: the end of its chain, and it has what only that object has.
  return Object.getPrototypeOf(prototype) === null && Object.hasOwn(prototype, 'isPrototypeOf')
}

/** Why an object can't travel: `is an instance of Foo`. */
export function describeRefused(value: object): string {
  if (value instanceof Promise) return 'is a promise; await it first'
  if (typeof SharedArrayBuffer !== 'undefined' && value instanceof SharedArrayBuffer) return 'is shared memory'
  const name = Object.getPrototypeOf(value)?.constructor?.name
  return name ? `is an instance of ${name}` : 'is neither a plain object nor one of the carried types'
}
