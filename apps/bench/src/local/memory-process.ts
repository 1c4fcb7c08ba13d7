// Started by memory.ts: makes actors with an id and a small state, sends each one message if asked to, and prints the heap that each takes.

import { ActorSystem, defineActor } from '@cajun/core'
import { dispatch, spawn, start } from 'nact'
import { createActor, fromTransition } from 'xstate'
import { FloorActor, floorTell } from './floor.ts'

const [subject, state, countText] = process.argv.slice(2)
const count = Number(countText)
let handled = 0
const keep: unknown[] = []

const Counter = defineActor('counter', {
  state: () => ({ value: 0 }),
  messages: {
    add(ctx, by: number) {
      ctx.state.value += by
      handled++
    },
  },
})

async function collect(): Promise<void> {
  for (let i = 0; i < 4; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20))
    globalThis.gc?.()
  }
}

async function settle(): Promise<void> {
  while (state === 'used' && handled < count) await new Promise((resolve) => setTimeout(resolve, 20))
  await collect()
}

const builders: Record<string, () => void> = {
  cajun() {
    const system = new ActorSystem({ strict: false })
    keep.push(system)
    for (let i = 0; i < count; i++) {
      const ref = system.spawn(Counter, `actor-${i}`)
      if (state === 'used') ref.tell('add', 1)
    }
  },
  // The lean floor: object, id, state and registry; a ring only while it is needed.
  runq() {
    const registry = new Map<string, { id: string; state: { value: number }; actor: FloorActor | undefined }>()
    keep.push(registry)
    const worker = new FloorActor({
      add(cell) {
        ;(cell as { state: { value: number } }).state.value += 1
        handled++
      },
    })
    for (let i = 0; i < count; i++) {
      const cell = { id: `actor-${i}`, state: { value: 0 }, actor: undefined }
      registry.set(cell.id, cell)
      if (state === 'used') floorTell(worker, 'add', cell)
    }
  },
  nact() {
    const system = start()
    keep.push(system)
    for (let i = 0; i < count; i++) {
      const ref = spawn(
        system,
        (own: { value: number } | undefined = { value: 0 }, by: number) => {
          handled++
          return { value: own.value + by }
        },
        `actor-${i}`,
      )
      if (state === 'used') dispatch(ref, 1)
    }
  },
  xstate() {
    const registry = new Map<string, unknown>()
    keep.push(registry)
    const logic = fromTransition(
      (own: { value: number }, { by }: { type: 'add'; by: number }) => {
        handled++
        return { value: own.value + by }
      },
      { value: 0 },
    )
    for (let i = 0; i < count; i++) {
      const id = `actor-${i}`
      const actor = createActor(logic, { id }).start()
      registry.set(id, actor)
      if (state === 'used') actor.send({ type: 'add', by: 1 })
    }
  },
}

await collect()
const before = process.memoryUsage().heapUsed
builders[subject as string]?.()
await settle()
const after = process.memoryUsage().heapUsed
console.log(((after - before) / count).toFixed(1))
process.exit(keep.length === 1 ? 0 : 1)
