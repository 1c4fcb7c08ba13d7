// What is sent: plain objects as users make them, whose JSON takes just the bytes asked for. Each message has an object of its own.

export interface BenchPayload {
  /** Seven digits, so that every payload of one size takes the same bytes. */
  readonly id: number
  readonly account: string
  readonly amount: number
  readonly note: string
  readonly lines?: readonly { readonly sku: string; readonly quantity: number; readonly price: number }[]
}

export const PAYLOAD_BYTES = [64, 256, 1_024] as const
const FIRST_ID = 1_000_000
const LINE = { sku: 'sku-10442', quantity: 3, price: 12.25 }

/** A maker of payloads: `make(n)` for the n-th message. */
export function payloads(bytes: number): (n: number) => BenchPayload {
  const base = { id: FIRST_ID, account: 'a-77', amount: 42.5 }
  const sizeOf = (value: object): number => JSON.stringify(value).length
  // Beyond the smallest, half of it is structure and the rest is text.
  const lineCount = bytes < 200 ? 0 : Math.floor(bytes / 2 / (sizeOf(LINE) + 1))
  const lines = lineCount === 0 ? undefined : Array.from({ length: lineCount }, () => LINE)
  const bare = sizeOf(lines === undefined ? { ...base, note: '' } : { ...base, note: '', lines })
  if (bare > bytes) throw new RangeError(`a payload takes at least ${bare} bytes, ${bytes} were asked for`)
  const note = 'n'.repeat(bytes - bare)
  if (lines === undefined) return (n) => ({ id: FIRST_ID + n, account: 'a-77', amount: 42.5, note })
  return (n) => ({ id: FIRST_ID + n, account: 'a-77', amount: 42.5, note, lines })
}

/** The number that `make` was given. */
export function numberOf(payload: BenchPayload): number {
  return payload.id - FIRST_ID
}
