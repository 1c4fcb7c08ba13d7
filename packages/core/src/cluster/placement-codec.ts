// The stored form of a placement document, and its parser, which trusts nothing. See apps/docs/stored-keys.md for the grammar.
//
//   { "v": 1, "kind": "counter", "hash": 1, "revision": 90, "epoch": 812,
//     "owners": [["node1", "<process>", "<incarnation>"], …],     each owner and target once
//     "shards": [[o, o, …], [e, e, …], [a, a, …]],                owner index (-1: none), epoch, after; one column each
//     "pins":   [["id", …], [o, …], [e, …], [a, …]],
//     "moves":  [[unit, "<handoff id>", target index], …] }       unit: shard number, or number of shards + place of the pin
//
// Gotcha: read by every node of a cluster during a rolling upgrade: fields may be added, and are ignored by who does not know them;
// anything else is a new protocol version, which is `v`.

import { PROTOCOL, type ProtocolRange } from '../messaging/protocol-version.ts'
import {
  MAX_PIN_ID_BYTES,
  MAX_PINS,
  MAX_SHARDS,
  type Move,
  type Owner,
  type PlacementDocument,
  type PlacementEntry,
} from './placement-document.ts'
import { StoredJson } from './stored-json.ts'

export function encodePlacement(document: PlacementDocument): string {
  const table = new OwnerTable()
  const shards: Columns = [[], [], []]
  const pins: Columns = [[], [], []]
  const moves: [number, string, number][] = []
  const add = (columns: Columns, unit: number, entry: PlacementEntry): void => {
    columns[0].push(entry.owner === null ? -1 : table.indexOf(entry.owner))
    columns[1].push(entry.epoch)
    columns[2].push(entry.after)
    if (entry.move !== undefined) moves.push([unit, entry.move.handoffId, table.indexOf(entry.move.target)])
  }
  document.shards.forEach((entry, shard) => {
    add(shards, shard, entry)
  })
  let unit = document.shards.length
  for (const entry of document.pins.values()) add(pins, unit++, entry)
  return JSON.stringify({
    v: document.protocol,
    kind: document.kind,
    hash: document.hashVersion,
    revision: document.revision,
    epoch: document.epoch,
    owners: table.rows,
    shards,
    pins: [[...document.pins.keys()], ...pins],
    moves,
  })
}

/** A bound on {@link encodePlacement} with 1,000 nodes: what the values of a store must hold. */
export function largestPlacementBytes(shardCount: number): number {
  // A node id of 128 bytes, a process of 24, a session of 58, and what JSON puts around them.
  const ownerBytes = 224
  const entryBytes = 40
  const moveBytes = 48
  return 512 + 1_000 * ownerBytes + shardCount * (entryBytes + moveBytes) + MAX_PINS * (entryBytes + moveBytes) + MAX_PIN_ID_BYTES
}

/** Throws `ProtocolError` naming the key and what is wrong. */
export function parsePlacement(key: string, value: string, readable: ProtocolRange = PROTOCOL): PlacementDocument {
  const at = new StoredJson(key)
  const root = at.parse(value)
  const protocol = at.form(root, readable)
  const kind = at.string(root['kind'], 'kind')
  const hashVersion = at.integer(root['hash'], 'hash', 1)
  const revision = at.integer(root['revision'], 'revision', 0)
  const epoch = at.integer(root['epoch'], 'epoch', 0)
  const owners = at.array(root['owners'], 'owners').map((row, i) => ownerOf(at, row, `owners[${i}]`))
  const shards = entriesOf(at, root['shards'], 'shards', owners, epoch, 0)
  if (shards.length < 1 || shards.length > MAX_SHARDS) at.fail(`${shards.length} shards, not 1 to ${MAX_SHARDS}`)
  const ids = at.array(at.array(root['pins'], 'pins')[0], 'pins[0]').map((id, i) => at.string(id, `pins[0][${i}]`))
  const pinned = entriesOf(at, root['pins'], 'pins', owners, epoch, 1)
  if (pinned.length !== ids.length) at.fail(`${ids.length} pin ids and ${pinned.length} pin entries`)
  if (ids.length > MAX_PINS) at.fail(`${ids.length} pins, over ${MAX_PINS}`)
  if (new Set(ids).size < ids.length) at.fail('an id is twice among the pins')
  const units = [...shards, ...pinned]
  for (const [i, row] of at.array(root.moves, 'moves').entries()) addMove(at, row, `moves[${i}]`, owners, units)
  const pins = new Map(ids.map((id, i) => [id, units[shards.length + i] as PlacementEntry]))
  return { protocol, kind, shardCount: shards.length, hashVersion, revision, epoch, shards: units.slice(0, shards.length), pins }
}

type Columns = [number[], number[], number[]]

class OwnerTable {
  readonly rows: [string, string, string][] = []
  readonly #indexes = new Map<string, number>()
  /** Entries of one parsed document share their owner objects, so most look-ups end here without building a key. */
  readonly #known = new Map<Owner, number>()

  indexOf(owner: Owner): number {
    const known = this.#known.get(owner)
    if (known !== undefined) return known
    const key = JSON.stringify([owner.nodeId, owner.processId, owner.incarnation])
    let index = this.#indexes.get(key)
    if (index === undefined) {
      index = this.rows.push([owner.nodeId, owner.processId, owner.incarnation]) - 1
      this.#indexes.set(key, index)
    }
    this.#known.set(owner, index)
    return index
  }
}

function ownerOf(at: StoredJson, row: unknown, path: string): Owner {
  const fields = at.array(row, path)
  return {
    nodeId: at.string(fields[0], `${path}[0]`),
    processId: at.string(fields[1], `${path}[1]`),
    incarnation: at.string(fields[2], `${path}[2]`),
  }
}

function entriesOf(at: StoredJson, value: unknown, path: string, owners: readonly Owner[], last: number, skip: number): PlacementEntry[] {
  const columns = at.array(value, path)
  const [owner = [], epoch = [], after = []] = [0, 1, 2].map((i) => at.array(columns[skip + i], `${path}[${skip + i}]`))
  if (epoch.length !== owner.length || after.length !== owner.length) at.fail(`the columns of ${path} differ in length`)
  return owner.map((index, i) => {
    const entry = {
      owner: index === -1 ? null : at.pick(owners, index, `${path}[${skip}][${i}]`),
      epoch: at.integer(epoch[i], `${path}[${skip + 1}][${i}]`, 0),
      after: at.integer(after[i], `${path}[${skip + 2}][${i}]`, 0),
    }
    if (entry.epoch > last) at.fail(`${path} entry ${i} has epoch ${entry.epoch}, above the document's ${last}`)
    if (entry.after > entry.epoch || (entry.after === entry.epoch && entry.epoch > 0)) {
      at.fail(`${path} entry ${i} has epoch ${entry.epoch} after ${entry.after}`)
    }
    if (entry.epoch === 0 && entry.owner !== null) at.fail(`${path} entry ${i} has an owner under epoch 0`)
    return entry
  })
}

function addMove(at: StoredJson, row: unknown, path: string, owners: readonly Owner[], units: PlacementEntry[]): void {
  const fields = at.array(row, path)
  const entry = at.pick(units, fields[0], `${path}[0]`)
  const move: Move = { handoffId: at.string(fields[1], `${path}[1]`), target: at.pick(owners, fields[2], `${path}[2]`) }
  if (entry.owner === null) at.fail(`${path} moves a unit without owner`)
  if (entry.move !== undefined) at.fail(`${path} is a second move of its unit`)
  units[fields[0] as number] = { ...entry, move }
}
