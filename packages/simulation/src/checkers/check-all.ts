// All checkers over one history. Each looks at every record once.

import type { History } from '../history.ts'
import { checkDepartures } from './departures.ts'
import { checkEffects } from './effects.ts'
import { checkEndings, type EndingsOptions } from './endings.ts'
import { checkLives } from './lives.ts'
import { checkOrder } from './order.ts'
import { checkOwnership } from './ownership.ts'
import type { Violation } from './violation.ts'

export function checkAll(history: History, options: EndingsOptions): Violation[] {
  return [
    ...history.findings,
    ...checkOwnership(history),
    ...checkDepartures(history),
    ...checkEffects(history),
    ...checkOrder(history),
    ...checkLives(history),
    ...checkEndings(history, options),
  ].sort((a, b) => a.atMs - b.atMs)
}
