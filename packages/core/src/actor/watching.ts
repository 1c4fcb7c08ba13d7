// Watching: an actor asks to be told when another one is gone, wherever both live. Each side keeps its half of a watch with its actor, and both halves
// move with it; which of the two is wrong after an owner has died comes out by asking, whenever the other side's owner has changed.
//
//   watcher                                            watched
//     Watch ── cajun:watch ───────────────────────────> Watcher        until one of them ends:
//           <─────────────────────── cajun:terminated ──  it is gone
//           ── cajun:unwatch ─────────────────────────>  it is not wanted any more
//           ── cajun:watch (known) ───────────────────>  the watched one's owner changed: are you still the one?   no: `lost`
//           <──────────────────────────── cajun:watcher ── the watcher's owner changed: do you still want it?      no: forgotten
//
// Gotcha: the names and payloads of these messages are on the wire (apps/docs/wire-format.md). In one process the halves find each other directly.

import type { DeadLetterReason } from '../delivery/dead-letter-reason.ts'
import type { Message } from '../delivery/message.ts'
import { DeliveryUnknownError, NotExecutedError } from '../errors.ts'
import { type ActorAddress, addressKey, plainAddress } from '../messaging/address.ts'
import { DeadlineTask } from '../runtime/deadline-sweep.ts'
import { type Cell, GONE } from './cell.ts'
import type { ActorHost } from './host.ts'
import { notifyCell } from './local-delivery.ts'
import type { WatcherSnapshot, WatchSnapshot } from './snapshot.ts'
import type { Terminated, TerminationReason } from './stop-reason.ts'

const WATCH = 'cajun:watch'
const UNWATCH = 'cajun:unwatch'
const TERMINATED = 'cajun:terminated'
const WATCHER = 'cajun:watcher'

/** How long one of these messages may take; afterwards it is sent again, unless it has become pointless. */
const TIMEOUT_MS = 60_000
const AGAIN_AFTER_MS = 1_000

/** One side's half of a watch. */
abstract class Half {
  readonly other: ActorAddress
  /** Names the watch for ever: what is left over of an earlier one is told apart by it. */
  readonly token: string
  /** Where the other side lived when it last confirmed the watch. */
  seen: string | undefined
  isAsking = false
  /** Under which its actor keeps it. */
  abstract readonly key: string

  constructor(other: ActorAddress, token: string, seen: string | undefined) {
    this.other = plainAddress(other)
    this.token = token
    this.seen = seen
  }
}

/** At the watcher. */
export class Watch extends Half {
  /** The message as which the notice arrives. */
  type: string
  /** The watched actor knows of it. */
  isRegistered = false

  constructor(other: ActorAddress, token: string, seen: string | undefined, type: string) {
    super(other, token, seen)
    this.type = type
  }

  get key(): string {
    return addressKey(this.other)
  }
}

/**
 * At the watched actor. There may be several of one watcher: what it sent before it moved can arrive after what it sent from there, and then it isn't known which
 * of two watches is the later one. The watcher takes a notice only for the one that it has.
 */
export class Watcher extends Half {
  get key(): string {
    return this.token
  }
}

// ---- the watcher ----

export function watch(cell: Cell, other: ActorAddress, type: string): void {
  const { host } = cell.cohort
  const extras = cell.needExtras()
  extras.watches ??= new Map()
  const key = addressKey(other)
  const present = extras.watches.get(key)
  if (present !== undefined) {
    present.type = type
    return
  }
  const added = new Watch(other, host.newTurnName(), undefined, type)
  extras.watches.set(key, added)
  host.watching.add(cell)
  const { findCell } = host.refs
  if (findCell === undefined) {
    confirmWatch(cell, added)
    return
  }
  const target = host.refs.findCell?.(other)
  if (target === undefined) endWatch(cell, added, 'stopped')
  else addWatcher(target, cell, added.token)
}

export function unwatch(cell: Cell, other: ActorAddress): void {
  const key = addressKey(other)
  const watches = cell.extras?.watches
  const present = watches?.get(key)
  if (present === undefined) return
  watches?.delete(key)
  withdraw(cell, present)
}

/** The watched actor need not tell any more. */
function withdraw(cell: Cell, { other, token }: Watch): void {
  const { host, table } = cell.cohort
  if (host.refs.findCell === undefined) {
    host.refs.send(other, UNWATCH, { token }, { sender: cell, from: table, timeoutMs: TIMEOUT_MS }).catch(() => {
      // It is gone itself, or asks one day whether it is still wanted.
    })
  } else host.refs.findCell(other)?.extras?.watchers?.delete(token)
}

/** Registers with the watched actor, or asks whether it is still the one that it was. At most one such question is under way: it follows the placement by itself. */
function confirmWatch(cell: Cell, half: Watch): void {
  const { host, table } = cell.cohort
  const at = begin(cell, half)
  const body = half.isRegistered ? { token: half.token, known: true } : { token: half.token }
  host.refs.ask(half.other, WATCH, body, { sender: cell, from: table, timeoutMs: TIMEOUT_MS }).then(
    (isRegistered) => {
      if (!isHeld(cell, half, cell.extras?.watches)) return
      if (isRegistered !== true) endWatch(cell, half, 'lost')
      else {
        half.isRegistered = true
        if (settle(cell, half, at)) confirmWatch(cell, half)
      }
    },
    (error: unknown) => {
      if (!isHeld(cell, half, cell.extras?.watches)) return
      const reason = whatItMeans(error)
      // If it was still registered when it stopped, its notice is on its way and says why. If not, the next question finds nobody, or another life.
      const isKnownToStop = half.isRegistered && (reason === 'stopped' || reason === 'failed')
      if (reason === 'again' || isKnownToStop) later(cell, () => isHeld(cell, half, cell.extras?.watches) && confirmWatch(cell, half))
      else if (reason === 'void') half.isAsking = false
      else endWatch(cell, half, reason)
    },
  )
}

function endWatch(cell: Cell, half: Watch, reason: TerminationReason): void {
  cell.extras?.watches?.delete(half.key)
  const gone: Terminated = { kind: half.other.kind, id: half.other.id, path: half.other.path, reason }
  notices.add(gone)
  notifyCell(cell, half.type, gone)
}

/** What `endWatch` told, to tell it from other messages that wait. */
const notices = new WeakSet<object>()

/** The actor is passivated: what it was told of while that was going on was for the life that ends, and brings no other to life. */
export function dropNotices(cell: Cell): void {
  const { extras, mailbox } = cell
  if (extras?.watches === undefined || mailbox === undefined) return
  for (let left = mailbox.count; left > 0; left--) {
    const head = mailbox.head()
    const isPlain = typeof head === 'string'
    const payload = isPlain ? mailbox.payload() : undefined
    const sender = isPlain ? mailbox.sender() : undefined
    const deadlineTick = isPlain ? mailbox.deadlineTick() : 0
    mailbox.drop()
    if (!(typeof payload === 'object' && payload !== null && notices.has(payload))) mailbox.push(head, payload, sender, deadlineTick)
  }
}

/** The notice counts once, and only for the very watch that it belongs to. */
function hearOfTermination(cell: Cell, from: ActorAddress, token: string, reason: TerminationReason): void {
  const half = cell.extras?.watches?.get(addressKey(from))
  if (half?.token === token) endWatch(cell, half, reason)
}

// ---- the watched actor ----

function addWatcher(cell: Cell, watcher: ActorAddress, token: string): void {
  const { host } = cell.cohort
  const extras = cell.needExtras()
  extras.watchers ??= new Map()
  extras.watchers.set(token, new Watcher(watcher, token, host.whereabouts(watcher)))
  host.watching.add(cell)
}

function confirmWatcher(cell: Cell, half: Watcher): void {
  const { host, table } = cell.cohort
  const at = begin(cell, half)
  const forget = (): void => void cell.extras?.watchers?.delete(half.key)
  host.refs.ask(half.other, WATCHER, { token: half.token }, { sender: cell, from: table, timeoutMs: TIMEOUT_MS }).then(
    (isWanted) => {
      if (!isHeld(cell, half, cell.extras?.watchers)) return
      if (isWanted !== true) forget()
      else if (settle(cell, half, at)) confirmWatcher(cell, half)
    },
    (error: unknown) => {
      if (!isHeld(cell, half, cell.extras?.watchers)) return
      const reason = whatItMeans(error)
      if (reason === 'again') later(cell, () => isHeld(cell, half, cell.extras?.watchers) && confirmWatcher(cell, half))
      else if (reason === 'void') half.isAsking = false
      else forget()
    },
  )
}

function tellOfTermination(cell: Cell, { other, token }: Watcher, reason: TerminationReason): void {
  const { host, table } = cell.cohort
  const watcher = host.refs.findCell?.(other)
  if (watcher !== undefined) hearOfTermination(watcher, cell, token, reason)
  if (host.refs.findCell !== undefined) return
  host.untold.add(token)
  const told = (): void => void host.untold.delete(token)
  const tell = (): void => {
    host.refs
      .send(other, TERMINATED, { token, reason }, { sender: cell, from: table, timeoutMs: TIMEOUT_MS })
      .then(told, (error: unknown) => {
        if (whatItMeans(error) === 'again') later(cell, tell)
        else told()
      })
  }
  tell()
}

/** The actor's life is over: those who watch it are told, those whom it watches need not tell it any more. */
export function endWatching(cell: Cell, reason: TerminationReason): void {
  const { extras } = cell
  if (extras === undefined || (extras.watches === undefined && extras.watchers === undefined)) return
  const watches = [...(extras.watches?.values() ?? [])]
  const watchers = [...(extras.watchers?.values() ?? [])]
  dropWatching(cell)
  for (const half of watches) withdraw(cell, half)
  for (const half of watchers) tellOfTermination(cell, half, reason)
}

/** Nothing is said: the actor goes on elsewhere, or whoever owns it now finds out. */
export function dropWatching(cell: Cell): void {
  const { extras } = cell
  if (extras === undefined) return
  extras.watches = undefined
  extras.watchers = undefined
  cell.cohort.host.watching.delete(cell)
}

// ---- messages ----

/** A message of this room in the hands of the actor that it is for. `false`: it is none. */
export function takeWatchMessage(cell: Cell, message: Message | undefined): boolean {
  if (message === undefined || !isWatchMessage(message) || message.sender === undefined) return false
  const { sender, payload } = message
  const { token, known, reason } = (payload ?? {}) as { token?: string; known?: boolean; reason?: TerminationReason }
  const { extras } = cell
  switch (message.type) {
    case WATCH: {
      const isKnown = extras?.watchers?.has(String(token)) === true || cell.cohort.host.untold.has(String(token))
      if (!isKnown && known !== true) addWatcher(cell, sender, String(token))
      message.handled(isKnown || known !== true)
      return true
    }
    case WATCHER:
      message.handled(extras?.watches?.get(addressKey(sender))?.token === token)
      return true
    case UNWATCH:
      extras?.watchers?.delete(String(token))
      break
    default:
      hearOfTermination(cell, sender, String(token), reason ?? 'stopped')
  }
  message.handled(undefined)
  return true
}

/** For an actor that is not there. All but a new watch is answered for it: none of these brings anybody to life. */
export function answerForAbsent(host: ActorHost, message: Message): boolean {
  if (!isWatchMessage(message)) return false
  const { token, known } = (message.payload ?? {}) as { token?: string; known?: boolean }
  const isUntold = message.type === WATCH && host.untold.has(String(token))
  if (message.type === WATCH && known !== true && !isUntold) return false
  if (message.begin()) message.handled(isUntold)
  return true
}

/** For an actor that is about to be gone. A watch has found this very life, and is told of its end as the others are: behind all that was said before. */
export function takeWatchAtEnd(cell: Cell, message: Message): boolean {
  if (!isWatchMessage(message)) return false
  if (!message.begin()) return true
  if (message.type !== TERMINATED) return takeWatchMessage(cell, message)
  message.handled(undefined)
  return true
}

function isWatchMessage({ type }: Message): boolean {
  return type === WATCH || type === UNWATCH || type === TERMINATED || type === WATCHER
}

// ---- what both halves have in common ----

/** Other owners than before: both halves ask again. */
export function placementChanged(host: ActorHost, kind: string | undefined): void {
  for (const cell of host.watching) {
    for (const half of cell.extras?.watches?.values() ?? []) if (isDoubtful(host, half, kind)) confirmWatch(cell, half)
    for (const half of cell.extras?.watchers?.values() ?? []) if (isDoubtful(host, half, kind)) confirmWatcher(cell, half)
  }
}

function isDoubtful(host: ActorHost, half: Half, kind: string | undefined): boolean {
  if (half.isAsking || (kind !== undefined && half.other.kind !== kind)) return false
  return host.whereabouts(half.other) !== half.seen
}

function begin(cell: Cell, half: Half): string | undefined {
  half.isAsking = true
  return cell.cohort.host.whereabouts(half.other)
}

/** `true`: it was answered, and has changed its owner meanwhile. */
function settle(cell: Cell, half: Half, at: string | undefined): boolean {
  half.isAsking = false
  half.seen = at
  return cell.cohort.host.whereabouts(half.other) !== at
}

function isHeld(cell: Cell, half: Half, halves: ReadonlyMap<string, Half> | undefined): boolean {
  return (cell.flags & GONE) === 0 && halves?.get(half.key) === half
}

function later(cell: Cell, task: () => void): void {
  cell.cohort.host.deadlines.addAfter(new DeadlineTask(task), AGAIN_AFTER_MS)
}

/** `void`: this side may say nothing any more. `again`: nothing is known yet. Otherwise the other side is gone, and why. */
function whatItMeans(error: unknown): TerminationReason | 'again' | 'void' {
  const reason: DeadLetterReason | undefined =
    error instanceof NotExecutedError || error instanceof DeliveryUnknownError ? error.reason : undefined
  switch (reason) {
    case 'no-host':
    case 'unknown-kind':
      return 'no-host'
    case 'shutdown':
    case 'fenced':
      return 'void'
    case 'poison':
      return 'failed'
    case 'stopped':
      // Unknown: it was answered, and the answer is lost with an owner.
      if (error instanceof DeliveryUnknownError) return 'again'
      return (error as NotExecutedError).cause === undefined ? 'stopped' : 'failed'
    default:
      return 'again'
  }
}

// ---- moving ----

type Watching = { readonly watches?: readonly WatchSnapshot[]; readonly watchers?: readonly WatcherSnapshot[] }

export function watchingSnapshot(cell: Cell): Watching {
  const { watches, watchers } = cell.extras ?? {}
  return {
    ...(watches !== undefined &&
      watches.size > 0 && {
        watches: Array.from(watches.values(), ({ other, token, seen, type, isRegistered }) => ({
          ...other,
          token,
          seen,
          type,
          isRegistered,
        })),
      }),
    ...(watchers !== undefined &&
      watchers.size > 0 && { watchers: Array.from(watchers.values(), ({ other, token, seen }) => ({ ...other, token, seen })) }),
  }
}

/** What was in doubt, or has come into doubt on the way, is asked for as soon as the actor's new owner may say something. */
export function installWatching(cell: Cell, { watches, watchers }: Watching): void {
  const { host } = cell.cohort
  if (watches === undefined && watchers === undefined) return
  const extras = cell.needExtras()
  extras.watches = new Map()
  extras.watchers = new Map()
  for (const shipped of watches ?? []) {
    const half = new Watch(shipped, shipped.token, shipped.seen, shipped.type)
    half.isRegistered = shipped.isRegistered
    extras.watches.set(addressKey(shipped), half)
  }
  for (const shipped of watchers ?? []) extras.watchers.set(shipped.token, new Watcher(shipped, shipped.token, shipped.seen))
  host.watching.add(cell)
  host.runtime.microtask(() => {
    if ((cell.flags & GONE) !== 0) return
    for (const half of extras.watches?.values() ?? []) if (!half.isRegistered || isDoubtful(host, half, undefined)) confirmWatch(cell, half)
    for (const half of extras.watchers?.values() ?? []) if (isDoubtful(host, half, undefined)) confirmWatcher(cell, half)
  })
}
