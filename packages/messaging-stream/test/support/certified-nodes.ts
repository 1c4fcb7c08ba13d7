// Certificates of the nodes that the contract suite starts, made once.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueNodeCertificate, openAuthority } from '@cajun/certificates'
import type { StreamMessagingOptions } from '../../src/index.ts'

const NODES = ['a', 'b', 'c', 'd', 'e', 'hub']
const OTHER_CLUSTER = 'another-cluster'

export interface CertifiedNodes {
  readonly clusterId: string
  /** Options `tls` and `secrets` of a node. */
  optionsOf(nodeId: string, clusterId?: string): Pick<StreamMessagingOptions, 'tls' | 'secrets'>
  remove(): void
}

export async function certifiedNodes(): Promise<CertifiedNodes> {
  const folder = mkdtempSync(join(tmpdir(), 'cajun-contract-'))
  const clusterId = 'contract'
  const authority = await openAuthority(folder)
  const files = new Map<string, StreamMessagingOptions['tls']>()
  const issue = async (cluster: string, nodeId: string): Promise<void> => {
    // Two clusters of one authority: only the name keeps them apart.
    const inCluster = { ...authority, folder: mkdtempSync(join(folder, 'cluster-')) }
    files.set(`${cluster} ${nodeId}`, { caFile: authority.caFile, ...(await issueNodeCertificate(inCluster, cluster, nodeId)) })
  }
  await Promise.all([...NODES.map((nodeId) => issue(clusterId, nodeId)), issue(OTHER_CLUSTER, 'a')])
  return {
    clusterId,
    optionsOf(nodeId, cluster = clusterId) {
      const tls = files.get(`${cluster} ${nodeId}`)
      if (tls === undefined) throw new Error(`no certificate was made for node '${nodeId}' of cluster '${cluster}'`)
      return { tls, secrets: [{ id: 'k1', secret: 'a secret that is for tests alone' }] }
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  }
}
