// The certificates of the bench's nodes, made when they are needed, and the options that transports take them in.

import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { issueNodeCertificate, openAuthority } from '@cajun/certificates'
import { CLUSTER_ID, NODE_IDS, type NodeId } from './subject.ts'

/** In a folder that `close` removes. */
export async function makeCertificates(): Promise<{ readonly folder: string; close(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'cajun-bench-'))
  const authority = await openAuthority(folder)
  for (const nodeId of NODE_IDS) await issueNodeCertificate(authority, CLUSTER_ID, nodeId)
  return { folder, close: () => rm(folder, { recursive: true, force: true }) }
}

/** TLS, and the shared secret that it asks for. */
export function securityOf(nodeId: NodeId, folder: string): object {
  return {
    tls: { caFile: join(folder, 'ca.pem'), certFile: join(folder, `${nodeId}.pem`), keyFile: join(folder, `${nodeId}-key.pem`) },
    secrets: [{ id: 'bench', secret: 'a secret that is for benches alone' }],
  }
}
