// The floor of the local suites: the least code that runs actors fairly. Ring mailboxes, one run queue woken by a microtask, a quantum, a
// try/catch around each handler. A message has a type, by which its handler is found, and a payload. No ids, senders, replies, supervision,
// limits, dead letters, deadlines or yielding.

export interface FloorMessage {
  readonly type: string
  readonly payload: unknown
}

export type FloorHandlers = { readonly [type: string]: (payload: unknown) => void }

export class FloorActor {
  readonly handlers: FloorHandlers
  ring: (FloorMessage | undefined)[] = new Array(8).fill(undefined)
  first = 0
  count = 0
  isScheduled = false

  constructor(handlers: FloorHandlers) {
    this.handlers = handlers
  }
}

const QUANTUM = 64
let queue: FloorActor[] = new Array(1024).fill(undefined)
let first = 0
let count = 0
let isWoken = false

export function floorTell(actor: FloorActor, type: string, payload: unknown): void {
  if (actor.count === actor.ring.length) growRing(actor)
  actor.ring[(actor.first + actor.count++) & (actor.ring.length - 1)] = { type, payload }
  if (!actor.isScheduled) {
    actor.isScheduled = true
    schedule(actor)
  }
}

function schedule(actor: FloorActor): void {
  if (count === queue.length) growQueue()
  queue[(first + count++) & (queue.length - 1)] = actor
  if (!isWoken) {
    isWoken = true
    queueMicrotask(drain)
  }
}

function drain(): void {
  while (count > 0) {
    const actor = queue[first] as FloorActor
    first = (first + 1) & (queue.length - 1)
    count--
    for (let n = 0; n < QUANTUM && actor.count > 0; n++) {
      const at = actor.first
      const message = actor.ring[at] as FloorMessage
      actor.ring[at] = undefined
      actor.first = (at + 1) & (actor.ring.length - 1)
      actor.count--
      try {
        actor.handlers[message.type]?.(message.payload)
      } catch (error) {
        console.error(error)
      }
    }
    if (actor.count > 0) schedule(actor)
    else actor.isScheduled = false
  }
  isWoken = false
}

function growRing(actor: FloorActor): void {
  const old = actor.ring
  const bigger = new Array(old.length * 2).fill(undefined)
  for (let i = 0; i < old.length; i++) bigger[i] = old[(actor.first + i) & (old.length - 1)]
  actor.ring = bigger
  actor.first = 0
}

function growQueue(): void {
  const old = queue
  const bigger = new Array(old.length * 2).fill(undefined)
  for (let i = 0; i < old.length; i++) bigger[i] = old[(first + i) & (old.length - 1)]
  queue = bigger
  first = 0
}

/** An ask on the floor: a promise whose resolver travels in the message. */
export function floorAsk(actor: FloorActor, payload: unknown): Promise<unknown> {
  return new Promise((resolve) => floorTell(actor, 'ask', { payload, resolve }))
}
