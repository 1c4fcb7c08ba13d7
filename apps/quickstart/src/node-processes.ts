// The processes of one cluster, and the folder in which they keep their ledgers. None of both outlives it.

import { mkdtempSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { DeploymentDescription } from './deployment.ts'
import { type LedgerEntry, readLedger } from './ledger.ts'
import { NodeHandle } from './node-handle.ts'
import type { NodeOptions } from './node-protocol.ts'

export class NodeProcesses implements AsyncDisposable {
  readonly #folder = mkdtempSync(join(tmpdir(), 'cajun-quickstart-'))
  readonly #nodes: NodeHandle[] = []
  #closed = false

  /** Resolves when it has joined the cluster. */
  async start(options: Omit<NodeOptions, 'ledger'> & { readonly deployment: DeploymentDescription }): Promise<NodeHandle> {
    if (this.#closed) throw new Error('nothing is started any more')
    const node = new NodeHandle({ ...options, ledger: join(this.#folder, `${options.nodeId}.ledger`) })
    this.#nodes.push(node)
    await node.ready
    return node
  }

  /** By node: what it handled so far. Rejects when one has crashed by itself. */
  async ledgers(): Promise<ReadonlyMap<string, readonly LedgerEntry[]>> {
    const ledgers = new Map<string, readonly LedgerEntry[]>()
    for (const node of this.#nodes) {
      if (node.diedOf !== undefined) throw new Error(node.diedOf)
      ledgers.set(node.nodeId, await readLedger(node.ledger))
    }
    return ledgers
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    await Promise.all(this.#nodes.map((node) => node.kill()))
    await rm(this.#folder, { recursive: true, force: true })
  }
}
