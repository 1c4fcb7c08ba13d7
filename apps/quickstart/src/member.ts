// The cluster that this process is a member of, for its actors, which may run before `start` has resolved.

import type { ClusterActorSystem } from '@cajun/core'

const joining = Promise.withResolvers<ClusterActorSystem>()
let present: ClusterActorSystem | undefined

export const joined: Promise<ClusterActorSystem> = joining.promise

/** Undefined: it is still joining. */
export function cluster(): ClusterActorSystem | undefined {
  return present
}

export function hasJoined(cluster: ClusterActorSystem): void {
  present = cluster
  joining.resolve(cluster)
}
