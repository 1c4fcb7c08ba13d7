// The local suites: the same conversations on Cajun (definitions and refs as users write them), on the floor, on nact, and, where actors are only told
// something, on xstate (transition functions; its `send` runs the receiver before it returns).
// Each run counts what the receivers handled, and throws when anything is missing.

import { type ActorRef, ActorSystem, defineActor } from '@cajun/core'
import { dispatch, query, spawn, start, stop } from 'nact'
import { createActor, fromTransition } from 'xstate'
import { type BenchCase, type BenchGroup, perSecond, single } from '../measure.ts'
import { FloorActor, floorAsk, floorTell } from './floor.ts'
import { memoryOf } from './memory.ts'

const FLOOD = 1_000_000
/** Of the messages, this part to xstate: it would take most of the time otherwise. */
const XSTATE_SHARE = 10

function counting(expected: number): { done: Promise<void>; hit: () => void } {
  const { promise, resolve } = Promise.withResolvers<void>()
  let left = expected
  return {
    done: promise,
    hit: () => {
      if (--left === 0) resolve()
    },
  }
}

const eventLoopTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))

function sink(hit: () => void) {
  return defineActor('sink', {
    mailbox: { policy: 'unbounded' },
    messages: {
      hit(_ctx, _n: number) {
        hit()
      },
    },
  })
}

/**
 * With one actor that lives as long as the process, as an application has at any time. Without any, V8 forgets between two runs what actors look like, throws away the code that it
 * made for them, and spends part of the next run on making it again. (The floor's actors stay in the ring of its run queue.)
 */
const residents: ActorSystem[] = []

function startResident(): void {
  const system = new ActorSystem({ strict: false })
  const Sink = sink(() => {})
  system.spawn(Sink, 'resident').tell('hit', 0)
  residents.push(system)
}

/** A new system for each run, so that nothing is left over from the last one. Production settings. */
async function onCajun(run: (system: ActorSystem) => Promise<number>): Promise<number> {
  if (residents.length === 0) startResident()
  await using system = new ActorSystem({ strict: false })
  return await run(system)
}

async function onNact(run: (system: ReturnType<typeof start>) => Promise<number>): Promise<number> {
  const system = start()
  try {
    return await run(system)
  } finally {
    stop(system)
  }
}

const rate = { metrics: { throughput: 'msg/s' } } as const

/** `tellAll(tell)` sends `messages` messages to `receivers` receivers; every subject does just that. */
function oneWay(
  suite: string,
  receivers: number,
  messages: number,
  tellAll: (tell: (receiver: number, n: number) => void) => Promise<void> | void,
  nactShare = 10,
): BenchCase {
  return {
    suite,
    case: '',
    ...rate,
    subjects: {
      cajun: () =>
        onCajun(async (system) => {
          const { done, hit } = counting(messages)
          const Sink = sink(hit)
          const refs = Array.from({ length: receivers }, (_, i) => system.spawn(Sink, `s-${i}`))
          return perSecond(messages, async () => {
            await tellAll((receiver, n) => void (refs[receiver] as (typeof refs)[0]).tell('hit', n))
            await done
          })
        }),
      runq: async () => {
        const { done, hit } = counting(messages)
        const actors = Array.from({ length: receivers }, () => new FloorActor({ hit }))
        return perSecond(messages, async () => {
          await tellAll((receiver, n) => floorTell(actors[receiver] as FloorActor, 'hit', n))
          await done
        })
      },
      ...(nactShare > 0 && {
        nact: () =>
          onNact(async (system) => {
            const share = Math.floor(messages / nactShare)
            const { done, hit } = counting(share)
            const refs = Array.from({ length: receivers }, (_, i) => spawn(system, () => hit(), `s-${i}`))
            let sent = 0
            return perSecond(share, async () => {
              await tellAll((receiver, n) => {
                if (sent++ < share) dispatch(refs[receiver] as (typeof refs)[0], n)
              })
              await done
            })
          }),
      }),
      xstate: async () => {
        const share = Math.floor(messages / XSTATE_SHARE)
        const { done, hit } = counting(share)
        const logic = fromTransition((state: number, _event: { type: 'hit'; n: number }) => {
          hit()
          return state + 1
        }, 0)
        const actors = Array.from({ length: receivers }, () => createActor(logic).start())
        let sent = 0
        return perSecond(share, async () => {
          await tellAll((receiver, n) => {
            if (sent++ < share) (actors[receiver] as (typeof actors)[0]).send({ type: 'hit', n })
          })
          await done
        })
      },
    },
  }
}

const flood = oneWay('flood', 1, FLOOD, (tell) => {
  for (let i = 0; i < FLOOD; i++) tell(0, i)
})

const bursts = oneWay('bursts', 1, FLOOD, async (tell) => {
  for (let i = 0; i < FLOOD; ) {
    const end = Math.min(FLOOD, i + 256)
    for (; i < end; i++) tell(0, i)
    await eventLoopTurn()
  }
})

const fanout = oneWay('fanout', 1_000, FLOOD, async (tell) => {
  for (let round = 0; round < FLOOD / 1_000; round++) {
    for (let i = 0; i < 1_000; i++) tell(i, round)
    if (round % 10 === 9) await eventLoopTurn()
  }
})

const many = oneWay('many', 100_000, FLOOD, (tell) => {
  for (let round = 0; round < 10; round++) {
    for (let i = 0; i < 100_000; i++) tell(i, round)
  }
})

/** `pairs` pairs of actors that play `rallies` strokes each. */
function pingpong(suite: string, pairs: number, strokes: number, nactShare: number): BenchCase {
  return {
    suite,
    case: '',
    ...rate,
    subjects: {
      cajun: () =>
        onCajun(async (system) => {
          const { done, hit } = counting(pairs)
          const Player = defineActor('player', {
            state: () => ({ other: undefined as ActorRef | undefined }),
            messages: {
              meet(ctx, other: string) {
                ctx.state.other = ctx.ref('player', other)
              },
              ball(ctx, left: number) {
                if (left === 0) hit()
                else ctx.state.other?.tell('ball', left - 1)
              },
            },
          })
          const refs = Array.from({ length: pairs }, (_, i) => {
            const a = system.spawn(Player, `a-${i}`)
            const b = system.spawn(Player, `b-${i}`)
            a.tell('meet', `b-${i}`)
            b.tell('meet', `a-${i}`)
            return a
          })
          await eventLoopTurn()
          return perSecond(pairs * strokes, async () => {
            for (const ref of refs) ref.tell('ball', strokes - 1)
            await done
          })
        }),
      runq: async () => {
        const { done, hit } = counting(pairs)
        const actors = Array.from({ length: pairs }, () => {
          const a: FloorActor = new FloorActor({
            ball: (left) => ((left as number) === 0 ? hit() : floorTell(b, 'ball', (left as number) - 1)),
          })
          const b: FloorActor = new FloorActor({
            ball: (left) => ((left as number) === 0 ? hit() : floorTell(a, 'ball', (left as number) - 1)),
          })
          return a
        })
        return perSecond(pairs * strokes, async () => {
          for (const actor of actors) floorTell(actor, 'ball', strokes - 1)
          await done
        })
      },
      nact: () =>
        onNact(async (system) => {
          const share = Math.floor(strokes / nactShare)
          const { done, hit } = counting(pairs)
          type Ball = { left: number; other: ReturnType<typeof spawn> }
          const play = (_state: unknown, ball: Ball, ctx: { self: ReturnType<typeof spawn> }): void => {
            if (ball.left === 0) hit()
            else dispatch(ball.other, { left: ball.left - 1, other: ctx.self })
          }
          const refs = Array.from({ length: pairs }, (_, i) => [spawn(system, play, `a-${i}`), spawn(system, play, `b-${i}`)] as const)
          return perSecond(pairs * share, async () => {
            for (const [a, b] of refs) dispatch(a, { left: share - 1, other: b })
            await done
          })
        }),
    },
  }
}

const SENDERS = 100

const fanin: BenchCase = {
  suite: 'fanin',
  case: '',
  ...rate,
  subjects: {
    cajun: () =>
      onCajun(async (system) => {
        const { done, hit } = counting(FLOOD)
        const target = system.spawn(sink(hit), 's')
        const Sender = defineActor('sender', {
          messages: {
            go() {
              for (let i = 0; i < FLOOD / SENDERS; i++) target.tell('hit', i)
            },
          },
        })
        const senders = Array.from({ length: SENDERS }, (_, i) => system.spawn(Sender, `${i}`))
        return perSecond(FLOOD, async () => {
          for (const sender of senders) sender.tell('go')
          await done
        })
      }),
    runq: async () => {
      const { done, hit } = counting(FLOOD)
      const target = new FloorActor({ hit })
      const senders = Array.from(
        { length: SENDERS },
        () =>
          new FloorActor({
            go() {
              for (let i = 0; i < FLOOD / SENDERS; i++) floorTell(target, 'hit', i)
            },
          }),
      )
      return perSecond(FLOOD, async () => {
        for (const sender of senders) floorTell(sender, 'go', 0)
        await done
      })
    },
    nact: () =>
      onNact(async (system) => {
        const share = FLOOD / 10
        const { done, hit } = counting(share)
        const target = spawn(system, () => hit(), 's')
        const senders = Array.from({ length: SENDERS }, (_, i) =>
          spawn(
            system,
            () => {
              for (let n = 0; n < share / SENDERS; n++) dispatch(target, n)
            },
            `f-${i}`,
          ),
        )
        return perSecond(share, async () => {
          for (const sender of senders) dispatch(sender, 0)
          await done
        })
      }),
  },
}

function ask(inFlight: number, total: number): BenchCase {
  const lanes = async (each: (n: number) => Promise<unknown>, count: number): Promise<void> => {
    let next = 0
    const lane = async (): Promise<void> => {
      while (next < count) {
        const n = next++
        if ((await each(n)) !== n) throw new Error('a wrong reply')
      }
    }
    await Promise.all(Array.from({ length: inFlight }, lane))
  }
  const Echo = defineActor('echo', { messages: { echo: (_ctx, n: number) => n } })
  return {
    suite: 'ask',
    case: `${inFlight} in flight`,
    ...rate,
    subjects: {
      cajun: () =>
        onCajun((system) => {
          const echo = system.spawn(Echo, 'e')
          return perSecond(total, () => lanes((n) => echo.ask('echo', n), total))
        }),
      runq: () => {
        const echo = new FloorActor({
          ask(message) {
            const { payload, resolve } = message as { payload: unknown; resolve: (value: unknown) => void }
            resolve(payload)
          },
        })
        return perSecond(total, () => lanes((n) => floorAsk(echo, n), total))
      },
      nact: () =>
        onNact((system) => {
          const echo = spawn(
            system,
            (_state: unknown, message: { n: number; from: ReturnType<typeof spawn> }) => dispatch(message.from, message.n),
            'e',
          )
          const share = Math.floor(total / 10)
          return perSecond(share, () => lanes((n) => query(echo, (from: ReturnType<typeof spawn>) => ({ n, from }), 10_000), share))
        }),
    },
  }
}

const SPAWNS = 100_000

const spawns: BenchCase = {
  suite: 'spawn',
  case: 'with id and registry',
  metrics: { throughput: 'actors/s' },
  subjects: {
    cajun: () =>
      onCajun((system) => {
        const Sink = sink(() => {})
        return perSecond(SPAWNS, async () => {
          for (let i = 0; i < SPAWNS; i++) system.spawn(Sink, `actor-${i}`)
        })
      }),
    runq: () => {
      const registry = new Map<string, { id: string; state: object }>()
      return perSecond(SPAWNS, async () => {
        for (let i = 0; i < SPAWNS; i++) {
          const id = `actor-${i}`
          registry.set(id, { id, state: { value: 0 } })
        }
        if (registry.size !== SPAWNS) throw new Error('actors are missing')
      })
    },
    nact: () =>
      onNact((system) => {
        const share = SPAWNS / 5
        return perSecond(share, async () => {
          for (let i = 0; i < share; i++) spawn(system, () => {}, `actor-${i}`)
        })
      }),
    xstate: () => {
      const share = SPAWNS / 5
      const logic = fromTransition((state: { value: number }) => state, { value: 0 })
      const registry = new Map<string, unknown>()
      return perSecond(share, async () => {
        for (let i = 0; i < share; i++) {
          const id = `actor-${i}`
          registry.set(id, createActor(logic, { id }).start())
        }
        if (registry.size !== share) throw new Error('actors are missing')
      })
    },
  },
}

function memory(state: 'fresh' | 'used'): BenchCase {
  return {
    suite: 'memory',
    case: state === 'fresh' ? 'idle, fresh' : 'idle, after one message',
    metrics: { 'heap per actor': 'B' },
    subjects: {
      cajun: () => memoryOf('cajun', state),
      runq: () => memoryOf('runq', state),
      nact: () => memoryOf('nact', state),
      xstate: () => memoryOf('xstate', state),
    },
  }
}

export const localGroups: readonly BenchGroup[] = [
  ...[
    flood,
    bursts,
    pingpong('pingpong', 1, 1_000_000, 20),
    pingpong('pairs', 1_000, 1_000, 10),
    fanout,
    fanin,
    many,
    ask(1, 200_000),
    ask(64, 500_000),
    spawns,
  ].map((bench) => single(bench)),
  // A process of its own for each run, which is warm from the start.
  ...[memory('fresh'), memory('used')].map((bench) => single(bench, { warmUps: 0, runs: 5 })),
]
