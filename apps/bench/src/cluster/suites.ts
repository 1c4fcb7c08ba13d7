// The cluster suites: placement arithmetic, failures, moves, and what many actors cost.

import type { BenchGroup } from '../measure.ts'
import { drainGroups } from './drain.ts'
import { failoverGroups } from './failover.ts'
import { locateGroups } from './locate.ts'
import { planGroups } from './plan.ts'
import { residentGroups } from './residents.ts'

export const clusterGroups: readonly BenchGroup[] = [...locateGroups, ...planGroups, ...failoverGroups, ...drainGroups, ...residentGroups]
