// Transports that break one promise each. The suite is worth what it finds in them.

import type { LocalIdentity, MessagingCapabilities, MessagingHandler, MessagingSystem, PeerAddress } from '@cajun/core/adapter'
import type { MemoryNetwork } from '../../../core/test/support/memory-network.ts'
import type { MessagingHarness } from '../../src/index.ts'
import { memoryMessagingHarness } from './memory-messaging-harness.ts'

/** Passes everything on; subclasses break one thing. */
class Altered implements MessagingSystem {
  readonly inner: MessagingSystem
  readonly network: MemoryNetwork
  readonly capabilities: MessagingCapabilities
  handler: MessagingHandler | undefined

  constructor(inner: MessagingSystem, network: MemoryNetwork) {
    this.inner = inner
    this.network = network
    this.capabilities = inner.capabilities
  }

  alterHandler(handler: MessagingHandler): Partial<MessagingHandler> {
    void handler
    return {}
  }

  start(local: LocalIdentity, handler: MessagingHandler): Promise<{ readonly address: string }> {
    this.handler = handler
    return this.inner.start(local, {
      onFrame: (peer, frame) => handler.onFrame(peer, frame),
      onPeerUp: (peer) => handler.onPeerUp(peer),
      onPeerDown: (peer, reason) => handler.onPeerDown(peer, reason),
      onDrain: (peer) => handler.onDrain(peer),
      onError: (error, peer) => handler.onError?.(error, peer),
      ...this.alterHandler(handler),
    })
  }

  connect(peer: PeerAddress): void {
    this.inner.connect(peer)
  }

  disconnect(nodeId: string): void {
    this.inner.disconnect(nodeId)
  }

  send(nodeId: string, frame: Uint8Array): boolean {
    return this.inner.send(nodeId, frame)
  }

  bufferedBytes(nodeId: string): number {
    return this.inner.bufferedBytes(nodeId)
  }

  ping(nodeId: string): Promise<number> {
    return this.inner.ping(nodeId)
  }

  stop(): Promise<void> {
    return this.inner.stop()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.stop()
  }
}

export interface BrokenTransport {
  readonly what: string
  /** The number of the promise, and the words of a title, of a case that must fail. */
  readonly breaks: readonly [number: number, title: string]
  readonly harness: () => MessagingHarness
}

function broken(
  what: string,
  breaks: BrokenTransport['breaks'],
  make: (system: MessagingSystem, network: MemoryNetwork) => MessagingSystem,
  tune?: (network: MemoryNetwork) => void,
): BrokenTransport {
  return { what, breaks, harness: () => memoryMessagingHarness(make, tune) }
}

const whole = (system: MessagingSystem): MessagingSystem => system

export const brokenTransports: readonly BrokenTransport[] = [
  broken(
    'listens where another does',
    [1, 'start rejects'],
    (inner, network) =>
      new (class extends Altered {
        override async start(local: LocalIdentity, handler: MessagingHandler) {
          return super.start(local, handler).catch(() => ({ address: 'memory:nowhere' }))
        }
      })(inner, network),
  ),
  broken(
    'announces a peer without a peer',
    [2, 'nobody is up'],
    (inner, network) =>
      new (class extends Altered {
        override connect(peer: PeerAddress): void {
          super.connect(peer)
          this.handler?.onPeerUp(peer)
        }
        override alterHandler(): Partial<MessagingHandler> {
          return { onPeerUp: () => {} }
        }
      })(inner, network),
  ),
  broken(
    'names its peer wrongly',
    [2, 'after connect on one side'],
    (inner, network) =>
      new (class extends Altered {
        override alterHandler(handler: MessagingHandler): Partial<MessagingHandler> {
          return { onPeerUp: (peer) => handler.onPeerUp({ ...peer, processId: peer.nodeId }) }
        }
      })(inner, network),
  ),
  broken(
    'loses one frame in a thousand and says nothing',
    [3, 'no frame disappears'],
    (inner, network) =>
      new (class extends Altered {
        #sent = 0
        override send(nodeId: string, frame: Uint8Array): boolean {
          return ++this.#sent % 1_000 === 0 ? true : super.send(nodeId, frame)
        }
      })(inner, network),
  ),
  broken(
    'cuts large frames short',
    [3, 'frames of every size'],
    (inner, network) =>
      new (class extends Altered {
        override send(nodeId: string, frame: Uint8Array): boolean {
          return super.send(nodeId, frame.byteLength > 65_536 && frame.byteLength <= 300_000 ? frame.subarray(0, 65_536) : frame)
        }
      })(inner, network),
  ),
  broken(
    'uses one buffer for everything it receives',
    [3, 'the bytes belong'],
    (inner, network) =>
      new (class extends Altered {
        readonly #buffer = new Uint8Array(400_000)
        override alterHandler(handler: MessagingHandler): Partial<MessagingHandler> {
          return {
            onFrame: (peer, frame) => {
              this.#buffer.set(frame)
              handler.onFrame(peer, this.#buffer.subarray(0, frame.byteLength))
            },
          }
        }
      })(inner, network),
  ),
  broken(
    'sends again on a new connection what it had accepted for the old one',
    [3, 'what a lost connection'],
    (inner, network) =>
      new (class extends Altered {
        readonly #recent: Uint8Array[] = []
        override send(nodeId: string, frame: Uint8Array): boolean {
          this.#recent.push(frame.slice())
          if (this.#recent.length > 20) this.#recent.shift()
          return super.send(nodeId, frame)
        }
        override alterHandler(handler: MessagingHandler): Partial<MessagingHandler> {
          return {
            onPeerUp: (peer) => {
              for (const frame of this.#recent) super.send(peer.nodeId, frame)
              handler.onPeerUp(peer)
            },
          }
        }
      })(inner, network),
  ),
  broken('repeats frames', [4, 'frames arrive in the order'], whole, (network) => {
    network.faults.repeat = 0.01
  }),
  broken('lets frames overtake each other', [4, 'frames arrive in the order'], whole, (network) => {
    network.faults.reorder = 0.01
  }),
  broken(
    'throws when the peer is not up',
    [5, 'send to a peer that is not up'],
    (inner, network) =>
      new (class extends Altered {
        readonly #up = new Set<string>()
        override alterHandler(handler: MessagingHandler): Partial<MessagingHandler> {
          return {
            onPeerUp: (peer) => {
              this.#up.add(peer.nodeId)
              handler.onPeerUp(peer)
            },
          }
        }
        override send(nodeId: string, frame: Uint8Array): boolean {
          if (!this.#up.has(nodeId)) throw new Error('not connected')
          return super.send(nodeId, frame)
        }
      })(inner, network),
  ),
  broken(
    'keeps frames for a peer that is not up and sends them later',
    [5, 'send to a peer that is not up'],
    (inner, network) =>
      new (class extends Altered {
        readonly #waiting: Uint8Array[] = []
        override send(nodeId: string, frame: Uint8Array): boolean {
          const up = this.network.connections(this.#nodeId, nodeId) > 0
          if (!up) this.#waiting.push(frame)
          return up && super.send(nodeId, frame)
        }
        #nodeId = ''
        override start(local: LocalIdentity, handler: MessagingHandler) {
          this.#nodeId = local.nodeId
          return super.start(local, handler)
        }
        override alterHandler(handler: MessagingHandler): Partial<MessagingHandler> {
          return {
            onPeerUp: (peer) => {
              for (const frame of this.#waiting.splice(0)) super.send(peer.nodeId, frame)
              handler.onPeerUp(peer)
            },
          }
        }
      })(inner, network),
  ),
  broken(
    'never says that there is room again',
    [5, 'above the high-water mark'],
    (inner, network) =>
      new (class extends Altered {
        override alterHandler(): Partial<MessagingHandler> {
          return { onDrain: () => {} }
        }
      })(inner, network),
  ),
  broken(
    'buffers without bound',
    [5, 'above the high-water mark'],
    (inner, network) =>
      new (class extends Altered {
        override send(nodeId: string, frame: Uint8Array): boolean {
          return super.send(nodeId, frame) || this.network.connections('a', 'b') > 0
        }
      })(inner, network),
  ),
  broken(
    'takes frames over its limit',
    [6, 'send of a frame over the limit'],
    (inner, network) =>
      new (class extends Altered {
        override send(nodeId: string, frame: Uint8Array): boolean {
          return super.send(nodeId, frame.subarray(0, Math.min(frame.byteLength, 300_000)))
        }
      })(inner, network),
  ),
  broken(
    'says false far above the high-water mark',
    [7, 'for one who heeds send'],
    (inner, network) =>
      new (class extends Altered {
        #sent = 0
        override send(nodeId: string, frame: Uint8Array): boolean {
          const room = super.send(nodeId, frame)
          this.#sent = room ? 0 : this.#sent + 1
          return room || this.#sent % 100 !== 0
        }
      })(inner, network),
  ),
  broken(
    'counts what is buffered for a dead peer',
    [7, 'a dead peer costs nothing'],
    (inner, network) =>
      new (class extends Altered {
        #bytes = 0
        override send(nodeId: string, frame: Uint8Array): boolean {
          this.#bytes += frame.byteLength
          return super.send(nodeId, frame)
        }
        override bufferedBytes(): number {
          return this.#bytes
        }
      })(inner, network),
  ),
  broken(
    'makes no new connection',
    [8, 'a lost connection gives'],
    (inner, network) =>
      new (class extends Altered {
        override alterHandler(handler: MessagingHandler): Partial<MessagingHandler> {
          return {
            onPeerDown: (peer, reason) => {
              super.disconnect(peer.nodeId)
              handler.onPeerDown(peer, reason)
            },
          }
        }
      })(inner, network),
  ),
  broken(
    'says twice that a peer went down',
    [8, 'a lost connection gives'],
    (inner, network) =>
      new (class extends Altered {
        override alterHandler(handler: MessagingHandler): Partial<MessagingHandler> {
          return {
            onPeerDown: (peer, reason) => {
              handler.onPeerDown(peer, reason)
              handler.onPeerDown(peer, reason)
            },
          }
        }
      })(inner, network),
  ),
  broken(
    'does not say that a peer went down',
    [8, 'a lost connection gives'],
    (inner, network) =>
      new (class extends Altered {
        override alterHandler(): Partial<MessagingHandler> {
          return { onPeerDown: () => {} }
        }
      })(inner, network),
  ),
  broken('does not notice that a peer fell silent', [9, 'a peer that can not be reached'], whole, (network) => {
    Object.assign(network.options, { heartbeatTimeoutMs: 3_600_000 })
  }),
  broken(
    'gives up connections on which nothing is said',
    [9, 'a connection on which nothing is said lasts'],
    (inner, network) =>
      new (class extends Altered {
        override alterHandler(handler: MessagingHandler): Partial<MessagingHandler> {
          return {
            onPeerUp: (peer) => {
              handler.onPeerUp(peer)
              this.network.options.runtime.setTimer(() => this.network.drop('a', 'b'), 700)
            },
          }
        }
      })(inner, network),
  ),
  broken(
    'takes whatever process it finds for the one it looked for',
    [10, 'a frame for another process'],
    (inner, network) =>
      new (class extends Altered {
        override connect(peer: PeerAddress): void {
          const found = this.network.at(peer.address)?.local
          super.connect({ ...peer, processId: found?.processId ?? peer.processId })
        }
      })(inner, network),
  ),
  broken('lets in whoever comes from another cluster', [10, 'a frame from another cluster'], (inner, network) => {
    return new (class extends Altered {
      override start(local: LocalIdentity, handler: MessagingHandler) {
        return super.start({ ...local, clusterId: 'any' }, handler)
      }
    })(inner, network)
  }),
  broken(
    'has two connections when both sides connect at once',
    [11, 'both see the other up and frames arrive once'],
    (inner, network) =>
      new (class extends Altered {
        #wanted = new Set<string>()
        override connect(peer: PeerAddress): void {
          this.#wanted.add(peer.nodeId)
          super.connect(peer)
        }
        override send(nodeId: string, frame: Uint8Array): boolean {
          // Both think that the connection is theirs; what is sent on the one is sent on the other.
          const taken = super.send(nodeId, frame)
          if (taken && this.#wanted.has(nodeId)) super.send(nodeId, frame)
          return taken
        }
      })(inner, network),
  ),
  broken(
    'comes back after disconnect',
    [12, 'disconnect ends the connection'],
    (inner, network) =>
      new (class extends Altered {
        readonly #known = new Map<string, PeerAddress>()
        override connect(peer: PeerAddress): void {
          this.#known.set(peer.nodeId, peer)
          super.connect(peer)
        }
        override disconnect(nodeId: string): void {
          super.disconnect(nodeId)
          const peer = this.#known.get(nodeId)
          if (peer !== undefined) this.network.options.runtime.setTimer(() => super.connect(peer), 30)
        }
      })(inner, network),
  ),
  broken(
    'lets a disconnected process in again',
    [12, "a disconnected process's own attempts"],
    (inner, network) =>
      new (class extends Altered {
        override disconnect(): void {
          this.network.drop('a', 'b')
        }
      })(inner, network),
  ),
  broken(
    'answers pings itself',
    [13, 'ping rejects when no answer'],
    (inner, network) =>
      new (class extends Altered {
        override async ping(): Promise<number> {
          return 1
        }
      })(inner, network),
  ),
  broken(
    'forgets at stop what it had accepted',
    [14, 'what was accepted before stop'],
    (inner, network) =>
      new (class extends Altered {
        override stop(): Promise<void> {
          this.network.drop('a', 'b')
          return super.stop()
        }
      })(inner, network),
  ),
  broken(
    'calls its handler after stop',
    [14, 'no handler is called after stop'],
    (inner, network) =>
      new (class extends Altered {
        override async stop(): Promise<void> {
          await super.stop()
          this.network.options.runtime.setTimer(() => this.handler?.onError?.(new Error('a late one')), 5)
        }
      })(inner, network),
  ),
  broken(
    'does not say at stop that its peers are down',
    [14, 'stop gives onPeerDown'],
    (inner, network) =>
      new (class extends Altered {
        #stopping = false
        override alterHandler(handler: MessagingHandler): Partial<MessagingHandler> {
          return {
            onPeerDown: (peer, reason) => {
              if (!this.#stopping) handler.onPeerDown(peer, reason)
            },
          }
        }
        override stop(): Promise<void> {
          this.#stopping = true
          return super.stop()
        }
      })(inner, network),
  ),
  broken(
    'takes malformed bytes for a frame',
    [15, 'malformed bytes on a connection'],
    (inner, network) =>
      new (class extends Altered {
        override alterHandler(handler: MessagingHandler): Partial<MessagingHandler> {
          return {
            onError: (error, peer) => {
              if (peer !== undefined) handler.onFrame(peer, new Uint8Array(10))
              handler.onError?.(error, peer)
            },
          }
        }
      })(inner, network),
  ),
  broken(
    'does not report malformed bytes',
    [15, 'bytes of a stranger'],
    (inner, network) =>
      new (class extends Altered {
        override alterHandler(): Partial<MessagingHandler> {
          return { onError: () => {} }
        }
      })(inner, network),
  ),
  broken(
    'lets any process of a node take the place of the one that connect named',
    [16, 'while the process that connect named is up'],
    (inner) => forgetful(inner),
  ),
  broken(
    'says nothing of the old process when a new one comes',
    [16, 'a new process of a node'],
    (inner, network) =>
      new (class extends Altered {
        override alterHandler(handler: MessagingHandler): Partial<MessagingHandler> {
          let first = true
          return {
            onPeerDown: (peer, reason) => {
              if (!first) handler.onPeerDown(peer, reason)
              first = false
            },
          }
        }
      })(inner, network),
  ),
  broken('goes on under the process id that it was started with', [17, 'a process that takes a new process id'], (inner, network) => {
    return new (class extends Altered {
      override start(local: LocalIdentity, handler: MessagingHandler) {
        return super.start({ ...local }, handler)
      }
    })(inner, network)
  }),
]

/** A system of the test network whose refusals leave out the rule of promise 16. */
function forgetful(system: MessagingSystem): MessagingSystem {
  const strict = system as unknown as { refusal(dialer: LocalIdentity, asked: unknown): string | undefined }
  const refusal = strict.refusal.bind(system)
  strict.refusal = (dialer, asked) => {
    const reason = refusal(dialer, asked)
    return reason?.includes('another process of this node') ? undefined : reason
  }
  return system
}
