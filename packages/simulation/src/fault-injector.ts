// Strikes the faults of a schedule when their time comes, and takes them back when it is over.

import type { Fault, Target } from './faults.ts'
import type { SimulatedCluster, SimulatedNode } from './simulated-cluster.ts'

export class FaultInjector {
  readonly #cluster: SimulatedCluster
  /** Waiting for the next handoff. */
  #armed: Array<Fault & { kind: 'strike-handoff' }> = []
  #healed = false
  /** Sends a message of which its owner dies. */
  onPoison: ((fault: Fault & { kind: 'poison' }, node: SimulatedNode) => void) | undefined

  constructor(cluster: SimulatedCluster) {
    this.#cluster = cluster
    cluster.truth.onHandoff = ({ handoffId, source, target }) => {
      const armed = this.#armed.shift()
      if (armed === undefined) return
      const node = armed.role === 'leader' ? this.#node('leader') : cluster.node(armed.role === 'source' ? source : target)
      if (node === undefined) return
      this.#after(armed.afterMs, () => {
        cluster.marks.reach(`handoff: ${armed.role} ${armed.how === 'crash' ? 'crashed' : armed.how === 'stall' ? 'stalled' : 'cut off'}`)
        if (cluster.sealed.has(handoffId) && cluster.truth.isMoving(handoffId)) cluster.marks.reach('handoff interrupted after seal')
        this.#note(armed, node)
        if (armed.how === 'crash') cluster.crash(node, false, armed.lastsMs)
        else if (armed.how === 'stall') this.#pause(node, 'stall', armed.lastsMs)
        else this.#isolate(node, true, armed.lastsMs)
      })
    }
  }

  schedule(faults: readonly Fault[]): void {
    for (const fault of faults) this.#cluster.loop.at(fault.atMs, () => this.#strike(fault))
  }

  /** From now on nothing strikes any more. What is under way is healed by the cluster itself. */
  end(): void {
    this.#healed = true
    this.#armed = []
  }

  #strike(fault: Fault): void {
    if (this.#healed) return
    const { network, store, marks, scenario } = this.#cluster
    if (fault.kind !== 'strike-handoff') this.#note(fault, 'host' in fault ? this.#node(fault.host) : undefined)
    marks.reach(`fault: ${fault.kind}`)
    switch (fault.kind) {
      case 'crash':
        if (fault.host === 'leader') marks.reach('leader crashed')
        return this.#cluster.crash(this.#node(fault.host), fault.silent, fault.lastsMs)
      case 'crash-before-flush': {
        const node = this.#node(fault.host)
        node.process?.trapEndOfTurn(() => {
          if (!this.#healed) this.#cluster.crash(node, false, fault.lastsMs)
        })
        return
      }
      case 'pause':
        if (fault.host === 'leader') marks.reach('leader paused')
        return this.#pause(this.#node(fault.host), fault.how, fault.lastsMs)
      case 'pause-before-flush': {
        const node = this.#node(fault.host)
        const { process } = node
        process?.trapEndOfTurn(() => {
          if (this.#healed || node.process !== process) return
          marks.reach('stalled between a turn and its flush')
          this.#pause(node, 'stall', fault.lastsMs)
        })
        return
      }
      case 'strike-handoff':
        this.#armed.push(fault)
        return
      case 'cut': {
        const [from, to] = [this.#name(fault.from), this.#name(fault.to)]
        if (from === to) return
        this.#cut(from, to, fault.lastsMs)
        if (fault.bothWays) this.#cut(to, from, fault.lastsMs)
        else marks.reach('one-way cut')
        return
      }
      case 'isolate':
        return this.#isolate(this.#node(fault.host), fault.withStore, fault.lastsMs)
      case 'reset': {
        const [a, b] = [this.#name(fault.a), this.#name(fault.b)]
        for (let i = 0; i < fault.times; i++) this.#after(i * fault.everyMs, () => network.reset(a, b))
        return
      }
      case 'slow': {
        const path = network.path(this.#name(fault.from), this.#name(fault.to))
        path.slowness *= fault.factor
        this.#after(fault.lastsMs, () => {
          path.slowness = Math.max(1, path.slowness / fault.factor)
        })
        return
      }
      case 'store-cut': {
        const nodeId = this.#name(fault.host)
        store.cut(nodeId, fault.which)
        if (fault.lastsMs > scenario.ttlMs) marks.reach('cut off from the store past the lease')
        this.#after(fault.lastsMs, () => store.mend(nodeId, fault.which))
        return
      }
      case 'store-slow': {
        const path = store.path(this.#name(fault.host))
        path.slowness *= fault.factor
        path.extraWatchLagMs += fault.watchLagMs
        this.#after(fault.lastsMs, () => {
          path.slowness = Math.max(1, path.slowness / fault.factor)
          path.extraWatchLagMs = Math.max(0, path.extraWatchLagMs - fault.watchLagMs)
        })
        return
      }
      case 'store-gap':
        return store.gap(this.#name(fault.host), fault.lastsMs)
      case 'store-down':
        store.stop()
        this.#after(fault.lastsMs, () => store.start())
        return
      case 'store-rebirth':
        return store.rebirth()
      case 'wall-jump':
        return this.#jumpWall(this.#node(fault.host), fault.byMs)
      case 'stop':
        return this.#cluster.stop(this.#node(fault.host), fault.lastsMs)
      case 'drain': {
        const node = this.#node(fault.host)
        this.#manage((other) => other.system?.manager.drain(node.host.nodeId, { timeoutMs: 3_000 }))
        this.#after(fault.lastsMs, () => this.#cluster.stop(node, 50))
        return
      }
      case 'poison':
        return this.onPoison?.(fault, this.#node(fault.host))
      case 'twin':
        return this.#cluster.twin(this.#node(fault.host), fault.lastsMs)
      case 'migrate': {
        this.#migrate(fault.actor, this.#name(fault.host))
        if (fault.backAfterMs !== undefined && typeof fault.host === 'number') {
          const back = fault.host + 1
          this.#after(fault.backAfterMs, () => {
            marks.reach('migrated on while a migration may be under way')
            this.#migrate(fault.actor, this.#name(back))
          })
        }
        return
      }
      case 'elect':
        return this.#manage((node) => node.system?.manager.forceElection({ timeoutMs: 3_000 }))
    }
  }

  /** A handler of a poison message has begun, on this process. */
  poisoned(node: SimulatedNode): void {
    if (this.#healed) return
    this.#cluster.marks.reach('a process died of a message')
    this.#cluster.crash(node, false, 100)
  }

  #migrate(actor: number, to: string): void {
    const { actors } = this.#cluster.scenario
    if (actors.length === 0) return
    const [kind = '', id = ''] = (actors[actor % actors.length] ?? '').split('/')
    this.#manage((node) => node.system?.manager.migrate(kind, id, to, { timeoutMs: 3_000 }))
  }

  /** A management operation, asked of the first node that runs. That it may be refused or fail is no finding. */
  #manage(operation: (node: SimulatedNode) => Promise<unknown> | undefined): void {
    const node = this.#cluster.nodes.find((each) => each.system !== undefined)
    node?.process?.post(() => {
      const { marks } = this.#cluster
      void operation(node)?.then(
        () => marks.reach('management operation done'),
        () => marks.reach('management operation refused'),
      )
    })
  }

  #pause(node: SimulatedNode, how: 'stall' | 'suspend', lastsMs: number): void {
    if (node.process === undefined) return
    if (lastsMs > this.#cluster.scenario.ttlMs)
      this.#cluster.marks.reach(how === 'stall' ? 'stall past the lease' : 'suspension past the lease')
    node.process.pause(how, lastsMs)
  }

  /**
   * Not back while the machine sleeps: no clock could then tell the process that it slept, and what it does before it hears from the store is a limit of leases
   * that apps/docs/simulation.md names.
   */
  #jumpWall(node: SimulatedNode, byMs: number): void {
    if (byMs < 0 && node.process?.state === 'suspend') return
    node.host.jumpWall(byMs)
  }

  #cut(from: string, to: string, lastsMs: number): void {
    const { network } = this.#cluster
    network.cut(from, to)
    this.#after(lastsMs, () => network.mend(from, to))
  }

  #isolate(node: SimulatedNode, withStore: boolean, lastsMs: number): void {
    const { nodeId } = node.host
    for (const { host } of this.#cluster.nodes) {
      if (host.nodeId === nodeId) continue
      this.#cut(nodeId, host.nodeId, lastsMs)
      this.#cut(host.nodeId, nodeId, lastsMs)
    }
    if (!withStore) return
    this.#cluster.store.cut(nodeId, 'both')
    this.#after(lastsMs, () => this.#cluster.store.mend(nodeId, 'both'))
  }

  #after(delayMs: number, task: () => void): void {
    this.#cluster.loop.after(delayMs, () => {
      if (!this.#healed) task()
    })
  }

  #node(target: Target): SimulatedNode {
    const { nodes, truth } = this.#cluster
    const index =
      target === 'leader'
        ? Math.max(
            0,
            nodes.findIndex((node) => node.host.nodeId === truth.leaderNode),
          )
        : target % nodes.length
    return nodes[index] as SimulatedNode
  }

  #name(target: Target): string {
    return this.#node(target).host.nodeId
  }

  #note(fault: Fault, node: SimulatedNode | undefined): void {
    const { kind, atMs: _, ...rest } = fault
    this.#cluster.history.note(node?.host.nodeId ?? 'fault', `FAULT ${kind} ${JSON.stringify(rest)}`)
  }
}
