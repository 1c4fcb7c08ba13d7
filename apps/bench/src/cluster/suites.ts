// The cluster suites: placement arithmetic, failures, moves, and what many actors cost.

import type { BenchGroup } from '../measure.ts'
import { drainGroups } from './drain.ts'
import { failoverGroups } from './failover.ts'
import { placementGroups } from './placement.ts'
import { residentGroups } from './residents.ts'

export const clusterGroups: readonly BenchGroup[] = [...placementGroups, ...failoverGroups, ...drainGroups, ...residentGroups]
