// The actor of the cluster suites: as much state as says whether it was moved.

import { defineActor } from '@cajun/core'

export const Counter = defineActor('counter', {
  state: () => ({ value: 0 }),
  messages: {
    add(ctx, by: number) {
      ctx.state.value += by
      return ctx.state.value
    },
    read: (ctx) => ctx.state.value,
  },
})
