// All checkers over one history. Each looks at every record once.

import type { History } from '../history.ts'
import { checkBounds } from './bounds.ts'
import { checkDepartures } from './departures.ts'
import { checkEffects } from './effects.ts'
import { checkEndings, type EndingsOptions } from './endings.ts'
import { checkFailoverCost, type Failover } from './failover-cost.ts'
import { checkLives } from './lives.ts'
import { checkOrder } from './order.ts'
import { checkOwnership } from './ownership.ts'
import { checkPoison } from './poison.ts'
import { checkViews } from './views.ts'
import type { Violation } from './violation.ts'
import { checkWatching, type WatchingOptions } from './watching.ts'

export function checkAll(
  history: History,
  options: EndingsOptions & WatchingOptions & { readonly failover?: Failover | undefined },
): Violation[] {
  return [
    ...history.findings,
    ...checkOwnership(history),
    ...checkDepartures(history),
    ...checkEffects(history),
    ...checkOrder(history),
    ...checkLives(history),
    ...checkPoison(history),
    ...checkBounds(history),
    ...checkViews(history),
    ...checkFailoverCost(history, options.failover),
    ...checkWatching(history, options),
    ...checkEndings(history, options),
  ].sort((a, b) => a.atMs - b.atMs)
}
