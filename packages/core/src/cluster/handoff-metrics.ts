// Counts the handoffs of this node and how long they take, from its events.

import type { Runtime } from '../runtime/runtime.ts'
import type { ClusterEvents } from './cluster-events.ts'
import type { ClusterMetrics } from './metrics.ts'

export function countHandoffs(events: ClusterEvents, metrics: ClusterMetrics, runtime: Runtime): void {
  const startedAtMs = new Map<string, number>()
  events.on('handoff-started', (event) => {
    metrics.handoffsStarted++
    startedAtMs.set(event.handoffId, runtime.monotonicMs())
  })
  events.on('handoff-finished', (event) => {
    metrics.handoffsCompleted++
    const fromMs = startedAtMs.get(event.handoffId)
    startedAtMs.delete(event.handoffId)
    if (fromMs !== undefined) metrics.handoffDuration.record(runtime.monotonicMs() - fromMs)
  })
  events.on('handoff-aborted', (event) => {
    metrics.handoffsAborted++
    startedAtMs.delete(event.handoffId)
  })
}
