// From a live actor to what a handoff ships of it, and back. A move continues the activation: neither `onStop` nor `onStart` runs.

import type { Message } from '../delivery/message.ts'
import { formatAddress } from '../messaging/address.ts'
import { clonePayload } from '../messaging/payload-codec.ts'
import { Activation } from './activation.ts'
import { type Cell, CLOSED, START } from './cell.ts'
import { addChild } from './children.ts'
import type { ActorDefinition, ResolvedDefinition } from './definition.ts'
import { Begun } from './entries.ts'
import { setIdleTimeout } from './idle.ts'
import type { ActorSnapshot, StashSnapshot } from './snapshot.ts'
import { installWatching, watchingSnapshot } from './watching.ts'

/** State and shipped messages have no limit of their own: the handoff chunks them. */
const NO_LIMIT_BYTES = Number.MAX_SAFE_INTEGER

/** Undefined: there is nothing to ship. `onRefused`: the codec does not take its state. */
export function snapshotOf(cell: Cell, onRefused: (error: unknown) => void): ActorSnapshot | undefined {
  if ((cell.flags & CLOSED) !== 0) return undefined
  cell.takeBack()
  const { activation, extras, mailbox } = cell
  const { definition } = cell.cohort
  const waiting: StashSnapshot[] = []
  for (let left = mailbox?.count ?? 0; mailbox !== undefined && left > 0; left--) {
    const head = mailbox.head()
    const payload = mailbox.payload()
    mailbox.drop()
    mailbox.push(head, payload, undefined, 0)
    if (typeof head === 'string') waiting.push({ type: head, payload })
    else if (head instanceof Begun) waiting.push(stashSnapshot(head))
  }
  const stash = activation?.extras?.stash?.map(stashSnapshot) ?? []
  const identity = { id: extras?.name ?? cell.id, kind: definition.kind, ...watchingSnapshot(cell) }
  let fresh = activation === undefined || definition.handoff === 'restart'
  if (fresh && stash.length + waiting.length === 0 && (cell.flags & START) === 0 && activation === undefined) return undefined
  const state = fresh ? undefined : activation?.state
  if (!fresh) {
    try {
      clonePayload(state, NO_LIMIT_BYTES)
    } catch (error) {
      onRefused(error)
      fresh = true
    }
  }
  if (fresh) return { ...identity, fresh, stash: [], waiting: [...waiting, ...stash], timers: [], children: [] }
  const behaviour = activation?.extras?.behaviourName
  const children: ActorSnapshot[] = []
  for (const child of extras?.children?.values() ?? []) {
    const snapshot = snapshotOf(child, onRefused)
    if (snapshot !== undefined) children.push(snapshot)
  }
  return {
    ...identity,
    fresh,
    state,
    ...(behaviour !== undefined && { behaviour }),
    stash,
    waiting,
    timers: activation?.extras?.timers?.export() ?? [],
    children,
  }
}

function stashSnapshot(begun: Begun): StashSnapshot {
  return begun.message === undefined ? { type: begun.type, payload: begun.payload } : { message: begun.message.toSnapshot() }
}

/** Fills an empty place with what was shipped. Timers run from now on; what they fire waits for the gate. */
export function installActor(cell: Cell, snapshot: ActorSnapshot, revive: (snapshot: unknown) => Message): void {
  const { cohort } = cell
  const { host, definition } = cohort
  installWatching(cell, snapshot)
  for (const item of snapshot.waiting ?? []) {
    const mailbox = cell.needMailbox()
    if ('message' in item) mailbox.push(revived(item.message, revive), undefined, undefined, 0)
    else mailbox.push(item.type, item.payload, undefined, 0)
  }
  if (snapshot.fresh) {
    cell.flags |= START
    host.schedule(cell)
    return
  }
  const activation = new Activation(cell)
  activation.initialise(snapshot.state)
  cell.activation = activation
  host.counters.activations++
  if (snapshot.behaviour !== undefined && definition.behaviours.has(snapshot.behaviour)) activation.become(snapshot.behaviour)
  for (const item of snapshot.stash) {
    activation.addToStash(
      'message' in item ? revived(item.message, revive) : new Begun(undefined, item.type, item.payload, undefined, undefined),
    )
  }
  for (const timer of snapshot.timers) activation.timers.install(timer)
  if (definition.idleTimeoutMs !== Number.POSITIVE_INFINITY) setIdleTimeout(cell, definition.idleTimeoutMs)
  for (const child of snapshot.children) installChild(cell, child, revive)
  host.schedule(cell)
}

function revived(snapshot: unknown, revive: (snapshot: unknown) => Message): Begun {
  const message = revive(snapshot)
  const begun = new Begun(message, message.type, message.payload, message.sender, undefined)
  begun.isStashed = true
  return begun
}

function installChild(parent: Cell, snapshot: ActorSnapshot, revive: (snapshot: unknown) => Message): void {
  const definition = childDefinition(parent, snapshot.kind)
  if (definition === undefined) {
    parent.cohort.host.logger.error('a child could not be moved: its definition is not among `children` of its parent', {
      actor: formatAddress(parent),
      child: snapshot.id,
      kind: snapshot.kind,
    })
    return
  }
  installActor(addChild(parent, definition, snapshot.id), snapshot, revive)
}

function childDefinition(parent: Cell, kind: string): ActorDefinition | undefined {
  const own: ResolvedDefinition = parent.cohort.definition
  if (own.kind === kind) return { kind, resolved: own }
  return own.children.find((definition) => definition.kind === kind)
}
