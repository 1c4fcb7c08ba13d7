// Children within their parent's cell: how they come to be there, and how they are found by the names of their path.

import { DuplicateActorError } from '../errors.ts'
import { formatAddress } from '../messaging/address.ts'
import { Cell } from './cell.ts'
import type { ActorDefinition } from './definition.ts'

/** Makes the place for a child; whoever calls sees to it that it starts. */
export function addChild(parent: Cell, definition: ActorDefinition, name: string): Cell {
  const parentExtras = parent.needExtras()
  parentExtras.children ??= new Map()
  const child = new Cell(parent.cohort.ofChildren(definition.resolved), parent.id)
  const extras = child.needExtras()
  extras.parent = parent
  extras.name = name
  extras.path = parentExtras.path === undefined ? name : `${parentExtras.path}/${name}`
  if (parentExtras.children.has(name)) throw new DuplicateActorError(formatAddress(child))
  parentExtras.children.set(name, child)
  parent.cohort.host.counters.actors++
  return child
}

/** The actor and all its descendants, parents first. */
export function* withDescendants(cell: Cell): Generator<Cell> {
  yield cell
  const children = cell.extras?.children
  if (children === undefined) return
  for (const child of children.values()) yield* withDescendants(child)
}

export function findDescendant(cell: Cell, path: string): Cell | undefined {
  let found: Cell | undefined = cell
  for (const name of path.split('/')) {
    found = found.extras?.children?.get(name)
    if (found === undefined) return undefined
  }
  return found
}
