// Where the cluster keeps what in the metadata store. Gotcha: a promise; nodes of different releases read the same keys.
//
//   cajun/<clusterId>/nodes/<nodeId>                    ephemeral, a NodeRecord
//   cajun/<clusterId>/leader                            ephemeral, guards all that the leader writes
//   cajun/<clusterId>/placement/<kind>                  a PlacementDocument, never deleted
//   cajun/<clusterId>/registry/<kind>/<shard>/<chunk>   ids of remembered actors

export class ClusterKeys {
  readonly nodes: string
  readonly leader: string
  readonly placement: string
  readonly #registry: string

  constructor(clusterId: string) {
    const root = `cajun/${clusterId}`
    this.nodes = `${root}/nodes/`
    this.leader = `${root}/leader`
    this.placement = `${root}/placement/`
    this.#registry = `${root}/registry`
  }

  node(nodeId: string): string {
    return this.nodes + nodeId
  }

  placementOf(kind: string): string {
    return this.placement + kind
  }

  /** A prefix: the chunks of one shard stand below it. */
  registryOf(kind: string, shard: number): string {
    return `${this.#registry}/${kind}/${shard}/`
  }
}
