import type { Guarantee } from '@cajun/core/adapter'

/** From the least to the most, as tables show them. */
export const guarantees: readonly Guarantee[] = ['at-most-once', 'at-least-once', 'exactly-once']
