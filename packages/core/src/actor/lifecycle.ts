// How activations begin and end while the actor stays: start, restart, passivation, turn time-out. The rare paths, so promises are welcome here.
// Whatever awaits checks afterwards whether the actor is still there: its ownership may be lost at any moment (`discardCell` in stopping.ts).

import type { ActorFailedError } from '../errors.ts'
import { formatAddress } from '../messaging/address.ts'
import { Activation, STOP_HOOK_RAN } from './activation.ts'
import { attend } from './after-turn.ts'
import { isThenable } from './async-turn.ts'
import { BUSY, type Cell, GONE, START, STOPPING, TRANSITION } from './cell.ts'
import { type Begun, messageOf } from './entries.ts'
import { supervise, suspendFor } from './failing.ts'
import { callHook, type HookOutcome } from './hooks.ts'
import { setIdleTimeout } from './idle.ts'
import type { StopReason } from './stop-reason.ts'
import { finalise, stopChildren } from './stopping.ts'
import { unblock } from './turn.ts'
import { dropNotices, endWatching } from './watching.ts'

// ---- beginning ----

/** Makes a new activation. With an asynchronous `onStart` the actor is in transition until that is through. */
export function activate(cell: Cell): void {
  cell.flags &= ~START
  const { definition, host } = cell.cohort
  const activation = new Activation(cell)
  cell.activation = activation
  try {
    const state = definition.state?.(cell.extras?.name ?? cell.id)
    if (typeof state === 'object' && state !== null && isThenable(state)) {
      throw new TypeError(
        `state() of '${definition.kind}' returned a promise; it must return the state, what is awaited belongs into onStart`,
      )
    }
    activation.initialise(state)
  } catch (error) {
    startFailed(cell, error)
    return
  }
  host.counters.activations++
  if (definition.idleTimeoutMs !== Number.POSITIVE_INFINITY) setIdleTimeout(cell, definition.idleTimeoutMs)
  if (definition.onStart === undefined) return
  const outcome = callHook(activation, 'onStart', definition.onStart)
  if (outcome === undefined) return
  if (!isThenable(outcome)) {
    startFailed(cell, outcome.error)
    return
  }
  cell.flags |= TRANSITION
  outcome.then((settled) => {
    if ((cell.flags & GONE) !== 0 || cell.activation !== activation) return
    if (settled === undefined) unblock(cell, TRANSITION)
    else startFailed(cell, settled.error)
  })
}

/** An activation that did not come to life has nothing to be resumed with: `resume` then means `stop`. */
function startFailed(cell: Cell, error: unknown): void {
  endActivation(cell, false)
  cell.flags &= ~TRANSITION
  supervise(cell, error, undefined, true)
}

// ---- ending an activation, keeping the actor ----

export async function restart(cell: Cell, delayMs: number): Promise<void> {
  const { activation } = cell
  cell.flags |= TRANSITION
  cell.cohort.host.counters.restarts++
  await stopChildren(cell, 'stopped')
  await runStopHook(cell, activation, 'restarted')
  if ((cell.flags & (STOPPING | GONE)) !== 0) return
  startAfresh(cell)
  if (delayMs > 0) suspendFor(cell, delayMs)
  unblock(cell, TRANSITION)
}

/** A turn ran out of time: nothing may run on its state any more, hooks included. */
export function discardTurn(cell: Cell, error: ActorFailedError): void {
  const { host } = cell.cohort
  const activation = cell.activation as Activation
  const { head, payload, plainSender } = activation
  host.counters.turnTimeouts++
  host.logger.error('turn timed out; the activation is discarded', { actor: formatAddress(cell), error })
  const message = messageOf(head)
  activation.end(true)
  activation.clearTurn()
  if (message !== undefined) message.failed(error)
  else {
    const type = typeof head === 'string' ? head : ((head as { type?: string }).type ?? '')
    host.deadLetter({ address: cell, type, payload, reason: 'failed', error, sender: plainSender })
  }
  const wasStopping = (cell.flags & STOPPING) !== 0
  cell.flags = (cell.flags & ~BUSY) | TRANSITION
  if (!wasStopping) startAfresh(cell)
  attend(cell)
  stopChildren(cell, 'stopped').then(() => {
    if ((cell.flags & GONE) === 0) unblock(cell, TRANSITION)
  })
}

/** Drops the activation; the mailbox keeps its order, what was stashed comes first. */
function startAfresh(cell: Cell): void {
  const stash = cell.activation?.takeStash() ?? []
  endActivation(cell, false)
  for (let i = stash.length - 1; i >= 0; i--) cell.putFirst(stash[i] as Begun)
  cell.flags |= START
}

export async function passivate(cell: Cell): Promise<void> {
  const { activation } = cell
  if (activation === undefined) return
  const { definition, table } = cell.cohort
  cell.flags |= TRANSITION
  if (definition.onPassivate !== undefined) {
    if (!(await table.whenGateOpen())) return stayActive(cell)
    if ((cell.flags & GONE) !== 0) return
    report(cell, 'onPassivate', await callHook(activation, 'onPassivate', definition.onPassivate))
  }
  await stopChildren(cell, 'passivated')
  if (!(await runStopHook(cell, activation, 'passivated'))) return stayActive(cell)
  if ((cell.flags & (STOPPING | GONE)) !== 0) return
  cell.cohort.host.counters.passivations++
  dropNotices(cell)
  // Messages that came meanwhile: the mailbox outlives the activation, where the next message may start another.
  if (cell.queued > 0 && table.activatesOnMessage && cell.extras?.parent === undefined) {
    endActivation(cell, false)
    endWatching(cell, 'passivated')
    unblock(cell, TRANSITION)
  } else {
    finalise(cell, 'passivated', 'stopped', undefined)
  }
}

/** Its table was sealed before the hooks of its passivation could run: it is shipped as it is, or goes on here if the handoff is aborted. */
function stayActive(cell: Cell): void {
  if ((cell.flags & GONE) !== 0) return
  const idle = cell.extras?.idle
  if (idle !== undefined) cell.cohort.host.deadlines.addAfter(idle, idle.idleTimeoutMs)
  unblock(cell, TRANSITION)
}

export function endActivation(cell: Cell, isDiscarded: boolean): void {
  cell.takeBack()
  cell.activation?.end(isDiscarded)
  cell.activation = undefined
  const idle = cell.extras?.idle
  if (idle !== undefined) cell.cohort.host.deadlines.remove(idle)
}

/** `false`: the ownership was lost meanwhile, and the actor with it. */
export async function runStopHook(cell: Cell, activation: Activation | undefined, reason: StopReason): Promise<boolean> {
  const { definition, table } = cell.cohort
  const { onStop } = definition
  if (onStop === undefined || activation === undefined) return (cell.flags & GONE) === 0
  if (!(await table.whenGateOpen())) return false
  if ((cell.flags & GONE) !== 0) return false
  // A stop that overtakes a restart or a passivation must not run it a second time.
  if (activation.isEnded || (activation.marks & STOP_HOOK_RAN) !== 0) return true
  activation.marks |= STOP_HOOK_RAN
  report(cell, 'onStop', await callHook(activation, 'onStop', (ctx) => onStop(ctx, reason)))
  return (cell.flags & GONE) === 0
}

function report(cell: Cell, hook: string, outcome: HookOutcome): void {
  if (outcome === undefined) return
  cell.cohort.host.logger.error(`${hook} failed`, { actor: formatAddress(cell), error: outcome.error })
}
