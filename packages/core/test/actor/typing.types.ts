// What the compiler must accept and refuse. Compiled by `pnpm check:types`, with TypeScript 7 and with 5.9, never run: each @ts-expect-error is a test.

import type { ActorSystem } from '../../src/actor/actor-system.ts'
import { defineActor, implement } from '../../src/actor/definition.ts'
import type { ActorRef } from '../../src/actor/ref.ts'
import type { StandardSchema } from '../../src/actor/standard-schema.ts'
import type { Terminated } from '../../src/actor/stop-reason.ts'

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
function holds<T extends true>(): T | undefined {
  return undefined
}

declare const system: ActorSystem
declare const numberSchema: StandardSchema<unknown, number>
declare const stringSchema: StandardSchema<unknown, string>

const Counter = defineActor('counter', {
  state: (_id: string) => ({ value: 0 }),
  schemas: { add: numberSchema },
  messages: {
    add(ctx, by: number) {
      ctx.state.value += by
      return ctx.state.value
    },
    async addLater(ctx, by: number) {
      await Promise.resolve()
      return ctx.state.value + by
    },
    read(ctx) {
      return ctx.state.value
    },
    note(_ctx, _text?: string) {},
    gone(ctx, terminated: Terminated) {
      ctx.log.info(terminated.reason)
    },
  },
  behaviours: {
    closed: {
      add(ctx, by) {
        holds<Equal<typeof by, number>>()
        return ctx.state.value
      },
    },
  },
  onStart(ctx) {
    ctx.state.value = 1
    // @ts-expect-error there is no such state
    ctx.state.valve = 1
    ctx.timers.every('read', 1_000)
  },
})

export async function inferred(): Promise<void> {
  const counter = system.spawn(Counter, 'c-1')
  const told: boolean = counter.tell('add', 2)
  const value = await counter.ask('add', 2)
  holds<Equal<typeof value, number>>()
  const later = await counter.ask('addLater', 2, { timeoutMs: 100 })
  holds<Equal<typeof later, number>>()
  const read = await counter.ask('read')
  holds<Equal<typeof read, number>>()
  await counter.ask('read', undefined, { timeoutMs: 100 })
  const nothing = await counter.send('note')
  holds<Equal<typeof nothing, void>>()
  counter.tell('note')
  counter.tell('note', 'text', { guarantee: 'at-most-once' })
  await counter.with({ timeoutMs: 5 }).ask('read')

  // @ts-expect-error the payload is a number
  counter.tell('add', '2')
  // @ts-expect-error the payload is missing
  counter.tell('add')
  // @ts-expect-error there is no such message
  counter.tell('subtract', 2)
  // @ts-expect-error `read` has no payload
  counter.tell('read', 2)
  // @ts-expect-error there is no such option
  counter.tell('add', 2, { timeout: 5 })
  // @ts-expect-error there is no such guarantee
  counter.tell('add', 2, { guarantee: 'maybe-once' })
  // @ts-expect-error the reply is a number
  const wrong: string = await counter.ask('read')
  // @ts-expect-error options stand third
  await counter.ask('read', { timeoutMs: 5 })
  // @ts-expect-error the payload is a number
  await counter.send('add', {})
  return void [told, wrong]
}

export function byTypeAlone(): void {
  const counter = system.ref<typeof Counter>('counter', 'c-1')
  counter.tell('add', 1)
  // @ts-expect-error the payload is a number
  counter.tell('add', '1')
  // @ts-expect-error the kind is 'counter'
  system.ref<typeof Counter>('account', 'c-1')
  const same: ActorRef<{ read(): number }> = system.ref(Counter, 'c-1') as unknown as ActorRef<{ read(): number }>
  void same
}

export const Unannotated = defineActor('unannotated', {
  state: () => ({ text: '' }),
  messages: {
    set(ctx, text) {
      // @ts-expect-error a payload without annotation is `never`, not `any`: nothing can be read of it
      ctx.state.text = text.trim()
    },
  },
})

export function unannotatedPayload(): void {
  // @ts-expect-error nothing is assignable to the payload of a handler that does not say what it takes
  system.ref(Unannotated, 'u').tell('set', 'text')
}

defineActor('bad-schema', {
  // @ts-expect-error the schema puts out a string, the handler takes a number
  schemas: { add: stringSchema },
  messages: {
    add(_ctx, _by: number) {},
  },
})

defineActor('bad-options', {
  messages: { read: () => 1 },
  // @ts-expect-error there is no such directive
  supervision: 'retry',
})

defineActor('stateless', {
  messages: {
    read(ctx) {
      holds<Equal<typeof ctx.state, undefined>>()
    },
  },
})

interface AccountProtocol {
  deposit(amount: number): { readonly balance: number }
  balance(): number
  close(): void
}

export const Account = implement<AccountProtocol>()('account', {
  state: (id) => ({ id, balance: 0 }),
  messages: {
    deposit(ctx, amount) {
      holds<Equal<typeof amount, number>>()
      ctx.state.balance += amount
      ctx.self.tell('deposit', 1)
      // @ts-expect-error the payload is a number
      ctx.self.tell('deposit', '1')
      ctx.timers.once('deposit', 10, 5)
      // @ts-expect-error there is no such message
      ctx.timers.once('withdraw', 10)
      // @ts-expect-error the payload is a number
      ctx.timers.once('deposit', 10, 'five')
      return { balance: ctx.state.balance }
    },
    async balance(ctx) {
      return ctx.state.balance
    },
    close() {},
  },
})

implement<AccountProtocol>()('account', {
  state: () => ({ balance: 0 }),
  // @ts-expect-error `close` is missing
  messages: {
    deposit: (ctx, amount) => ({ balance: ctx.state.balance + amount }),
    balance: (ctx) => ctx.state.balance,
  },
})

implement<AccountProtocol>()('account', {
  state: () => ({ balance: 0 }),
  messages: {
    deposit: (ctx, amount) => ({ balance: ctx.state.balance + amount }),
    // @ts-expect-error the reply is a number
    balance: () => 'much',
    close() {},
  },
})

export async function contractFirst(): Promise<void> {
  const account = system.spawn(Account, 'a')
  const reply = await account.ask('deposit', 5)
  holds<Equal<typeof reply, { readonly balance: number }>>()
  const sameByContract: ActorRef<AccountProtocol> = account
  // @ts-expect-error another protocol
  const other: ActorRef<AccountProtocol> = system.ref(Counter, 'c')
  // @ts-expect-error there is no such message
  await sameByContract.ask('withdraw', 5)
  void other
}

export const Greeter = defineActor('greeter', {
  messages: {
    greet(ctx, name: string) {
      ctx.sender?.as(Counter).tell('add', 1)
      // @ts-expect-error the payload is a number
      ctx.sender?.as(Counter).tell('add', name)
      const child = ctx.spawn(Counter, 'child')
      child.tell('add', 1)
      ctx.watch(child, 'gone')
      return `hello ${name}`
    },
    gone(_ctx, _terminated: Terminated) {},
  },
})
