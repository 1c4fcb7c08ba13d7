// The actor of the demo: an account that notes every message it handles, in its own state and in its process's ledger.

import { randomUUID } from 'node:crypto'
import type { Guarantee } from '@cajun/core'
import { defineActor } from '@cajun/core'
import { ledger } from './ledger.ts'
import { cluster, joined } from './member.ts'

export interface Deposit {
  /** Counts up per sender and guarantee, so that losses, repetitions and order can be told afterwards. */
  readonly seq: number
  readonly guarantee: Guarantee
}

export interface Balance {
  readonly deposits: number
  readonly life: string
}

export const Account = defineActor('account', {
  // A life begins with fresh state: at the first activation, and again after a crash of the owner took the memory with it.
  // It travels with the state when the actor is moved.
  state: (_id: string): { life: string; deposits: number } => ({ life: randomUUID().slice(0, 8), deposits: 0 }),
  messages: {
    async deposit(ctx, deposit: Deposit): Promise<number> {
      // The first messages may come while this process is still joining.
      const { processId, manager } = cluster() ?? (await joined)
      const actor = ctx.self.id
      const epoch = manager.epochHere('account', actor) ?? 0
      ctx.state.deposits += 1
      ledger().note({ ...deposit, actor, epoch, process: processId, life: ctx.state.life, nth: ctx.state.deposits })
      return ctx.state.deposits
    },
    balance(ctx): Balance {
      return { deposits: ctx.state.deposits, life: ctx.state.life }
    },
  },
})
