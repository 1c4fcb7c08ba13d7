// Bugs planted in the actor room: mailboxes and activations as the cluster uses them.

import type { Mutation } from './mutation.ts'

export const actorMutations: readonly Mutation[] = [
  {
    id: 'passivation-under-seal-never-ends',
    rule: 'handoff: aborted under a higher epoch',
    edits: [
      {
        file: 'actor/lifecycle.ts',
        find: 'if (!(await table.whenGateOpen())) return stayActive(cell)',
        replace: 'if (!(await table.whenGateOpen())) return',
      },
    ],
    options: { faultKinds: ['strike-handoff', 'migrate', 'drain', 'cut', 'isolate', 'pause'], faults: 14 },
    seeds: 1_500,
  },
  {
    id: 'mailbox-lost-on-restart',
    rule: 'stream: mailbox outlives',
    edits: [
      {
        file: 'actor/lifecycle.ts',
        find: '  const stash = cell.activation?.takeStash() ?? []\n',
        replace: '  const stash = cell.activation?.takeStash() ?? []\n  cell.mailbox = undefined\n',
      },
    ],
    options: { faultKinds: [], messages: 300 },
  },
  {
    id: 'queue-not-returned-at-seal',
    rule: 'stream: mailbox outlives',
    edits: [
      {
        file: 'actor/table.ts',
        find: `    await Promise.all(inHand)
    for (const top of this.#cells.values()) {
      for (const cell of withDescendants(top)) returnQueued(cell)
    }`,
        replace: '    await Promise.all(inHand)',
      },
    ],
    options: { faultKinds: ['migrate', 'drain', 'stop'], faults: 12, messages: 300 },
  },
  {
    id: 'discard-keeps-the-turn-in-hand',
    rule: 'stream: mailbox outlives',
    edits: [
      {
        file: 'actor/async-turn.ts',
        find: '    if (this.#isOver) return\n    this.abandon()',
        replace: '    this.abandon()',
      },
    ],
    options: { faultKinds: ['pause', 'store-cut', 'isolate'], faults: 14, messages: 300 },
    seeds: 1_000,
  },
  {
    id: 'stash-left-behind',
    rule: 'stream: stash',
    edits: [
      {
        file: 'actor/snapshot-actor.ts',
        find: 'const stash = activation?.extras?.stash?.map(stashSnapshot) ?? []',
        replace: 'const stash: StashSnapshot[] = []',
      },
    ],
    options: { faultKinds: ['migrate', 'drain', 'stop'], faults: 14, messages: 300 },
    seeds: 600,
  },
  {
    id: 'timers-left-behind',
    rule: 'handoff: everything ships',
    edits: [
      {
        file: 'actor/snapshot-actor.ts',
        find: 'timers: activation?.extras?.timers?.export() ?? [],',
        replace: 'timers: [],',
      },
    ],
    options: { faultKinds: ['migrate', 'drain', 'stop'], faults: 14, messages: 300 },
    seeds: 600,
  },
]
