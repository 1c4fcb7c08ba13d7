// A node's peers over the scripted network: the real peer table and the real connections, without sockets or clocks.

import type { LocalIdentity, MessagingHandler, PeerId } from '@cajun/core/adapter'
import type { ManualRuntime } from '../../../core/test/support/manual-runtime.ts'
import { Connection, type ConnectionContext, openLimits } from '../../src/connection.ts'
import { Doorway } from '../../src/doorway.ts'
import { PeerTable } from '../../src/peer-table.ts'
import { resolveStreamOptions, type StreamMessagingOptions } from '../../src/stream-options.ts'
import type { ScriptedNetwork, ScriptedSocket } from './scripted-network.ts'

export class ScriptedNode {
  readonly local: LocalIdentity
  readonly runtime: ManualRuntime
  readonly peers: PeerTable
  readonly address: string
  readonly events: string[] = []
  readonly errors: Error[] = []
  readonly frames: Uint8Array[] = []
  readonly accepted: ScriptedSocket[] = []
  /** Called with each event's name. */
  onEvent: ((event: string) => void) | undefined

  constructor(
    network: ScriptedNetwork,
    nodeId: string,
    runtime: ManualRuntime,
    options: Partial<StreamMessagingOptions> = {},
    processId = `${nodeId}-1`,
    isCurrent?: MessagingHandler['isCurrent'],
  ) {
    this.local = { clusterId: 'c', nodeId, processId }
    this.runtime = runtime
    this.address = `${processId}:1`
    const resolved = resolveStreamOptions({ port: 0, runtime, ...options })
    const told = (event: string): void => {
      this.events.push(event)
      this.onEvent?.(event)
    }
    let serial = 0
    this.peers = new PeerTable({
      options: resolved,
      local: this.local,
      handler: {
        onPeerUp: (peer) => told(`up ${peer.processId}`),
        onPeerDown: (peer) => told(`down ${peer.processId}`),
        onFrame: (_peer, frame) => this.frames.push(frame),
        ...(isCurrent === undefined ? {} : { isCurrent }),
        onDrain: (peer) => told(`drain ${peer.processId}`),
        onError: (error) => this.errors.push(error),
      },
      dial: (peer) => Connection.dialed(context, network.dial(peer.address), peer),
      addressForm: 'host:port',
    })
    const context: ConnectionContext = {
      options: resolved,
      identity: {
        local: this.local,
        maxFrameBytes: resolved.maxFrameBytes,
        nextSerial: () => ++serial,
        nonce: () => new Uint8Array(32),
        authenticator: undefined,
        requiresTls: false,
      },
      owner: this.peers,
      openLimits: openLimits(resolved.maxFrameBytes),
    }
    const doorway = new Doorway({ ...resolved, maxPendingConnections: 1_000, maxPendingPerAddress: 1_000 })
    network.listen(this.address, (socket) => {
      this.accepted.push(socket)
      const entrant = doorway.enter(this.address, () => socket.destroy())
      if (entrant !== undefined) Connection.accepted(context, socket, entrant)
    })
  }

  connect(other: ScriptedNode): void {
    this.peers.connect({ nodeId: other.local.nodeId, processId: other.local.processId, address: other.address })
  }

  sees(other: ScriptedNode): boolean {
    return this.peers.connectionOf(other.local.nodeId)?.remote?.peer.processId === other.local.processId
  }

  send(to: ScriptedNode, frame: Uint8Array): boolean {
    return this.peers.connectionOf(to.local.nodeId)?.send(frame) ?? false
  }

  get peer(): PeerId {
    return this.local
  }
}
