// What a process must do about one placement unit, given what the document says of it and what the process holds: one pure decision, made
// again whenever either changes. Carrying it out is `tenure-keeper.ts`.
//
//                         ┌──────────────resume (higher epoch, state carried on)──────────────┐
//                         ▼                                                                   │
//   nothing ──open──> active ──session lost, or nobody named──> suspended ────────────────────┤
//                         │  └──move──> sealing ──turns in hand ended──> sealed ──────────────┘
//                         └───────────── another owner under a higher epoch: discard (from every state)

import { carriesOn, type Owner, type PlacementEntry, sameOwner, sameProcess } from './placement-document.ts'

export type HeldState = 'active' | 'suspended' | 'sealing' | 'sealed'

export interface Held {
  /** The epoch in which it was last owned here. */
  readonly epoch: number
  readonly state: HeldState
}

export type Decision =
  /** Nothing to be done, now. */
  | { readonly do: 'nothing' }
  /** Own it under `epoch`; with the copy that a handoff left here, or afresh. */
  | { readonly do: 'open'; readonly epoch: number; readonly withCopy: boolean }
  /** Go on with what is held, under `epoch`. */
  | { readonly do: 'resume'; readonly epoch: number }
  /** Keep it; run nothing. */
  | { readonly do: 'suspend' }
  /** Hand it over: the entry's `move` says to whom. */
  | { readonly do: 'seal' }
  /** Somebody else has owned it since, or does now. Decide again afterwards: it may be ours anew. */
  | { readonly do: 'discard' }

const NOTHING: Decision = { do: 'nothing' }
const SUSPEND: Decision = { do: 'suspend' }
const DISCARD: Decision = { do: 'discard' }
const SEAL: Decision = { do: 'seal' }

/**
 * @param entry what the newest document says; `undefined`: the unit is gone (a pin that was dropped)
 * @param process this process
 * @param self this process under its present session; `undefined`: it has none
 * @param held what it holds
 * @param copyEpoch the epoch in which a whole copy that was shipped here was sealed
 */
export function decide(
  entry: PlacementEntry | undefined,
  process: Pick<Owner, 'nodeId' | 'processId'>,
  self: Owner | undefined,
  held: Held | undefined,
  copyEpoch: number | undefined,
): Decision {
  if (entry === undefined) return held === undefined ? NOTHING : DISCARD
  if (self !== undefined && entry.owner !== null && sameOwner(entry.owner, self)) {
    return held === undefined ? open(entry, copyEpoch) : keepOrReplace(entry, held, copyEpoch)
  }
  return held === undefined ? NOTHING : whileNotNamed(entry, process, held)
}

function open(entry: PlacementEntry, copyEpoch: number | undefined): Decision {
  return { do: 'open', epoch: entry.epoch, withCopy: copyEpoch !== undefined && carriesOn(entry, copyEpoch) }
}

function keepOrReplace(entry: PlacementEntry, held: Held, copyEpoch: number | undefined): Decision {
  if (held.epoch === entry.epoch) {
    // Once sealed, only a higher epoch opens it again: the target may have been told in between.
    if (held.state === 'active') return entry.move === undefined ? NOTHING : SEAL
    return held.state === 'suspended' ? { do: 'resume', epoch: entry.epoch } : NOTHING
  }
  if (held.epoch > entry.epoch) return NOTHING
  const newerCopy = copyEpoch !== undefined && copyEpoch > held.epoch && carriesOn(entry, copyEpoch)
  if (newerCopy || !carriesOn(entry, held.epoch)) return DISCARD
  // The turns in hand have not ended: resumed as soon as they have.
  if (held.state === 'sealing') return NOTHING
  return { do: 'resume', epoch: entry.epoch }
}

function whileNotNamed(entry: PlacementEntry, process: Pick<Owner, 'nodeId' | 'processId'>, held: Held): Decision {
  // The entry names an earlier session of this process, or one that this process does not know of yet, or nobody: it may be named again.
  const mayBeNamed = entry.owner === null || sameProcess(entry.owner, process)
  if (mayBeNamed && carriesOn(entry, held.epoch)) return held.state === 'active' ? SUSPEND : NOTHING
  return held.epoch > entry.epoch ? NOTHING : DISCARD
}
