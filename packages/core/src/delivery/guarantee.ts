// The three delivery guarantees, in the words of GUARANTEES.

/**
 * What is promised of one message:
 * - `at-most-once`: handled 0 or 1 times; kept until it is written to the network; never sent again.
 * - `at-least-once`: handled 1 or more times; kept until its turn has ended on the owner; sent again to a new owner.
 * - `exactly-once`: as before, and duplicates are removed by the owner's record.
 */
export type Guarantee = 'at-most-once' | 'at-least-once' | 'exactly-once'

export const GUARANTEES: readonly Guarantee[] = ['at-most-once', 'at-least-once', 'exactly-once']

export function isGuarantee(value: unknown): value is Guarantee {
  // Asked of each message that says one.
  return value === 'exactly-once' || value === 'at-most-once' || value === 'at-least-once'
}

export const DEFAULT_GUARANTEE: Guarantee = 'exactly-once'

/** Reliable messages are kept by the sender until their turn has ended. */
export function isReliable(guarantee: Guarantee): boolean {
  return guarantee !== 'at-most-once'
}
