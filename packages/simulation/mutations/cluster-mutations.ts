// Bugs planted in sessions, leadership, placement and handoffs (ARCHITECTURE, section 7), and in the clock and lease under them.

import type { FaultKind } from '../src/faults.ts'
import type { Mutation } from './mutation.ts'
import {
  keepsTheCopyOfAnAbortedMove,
  missesTheTenureBetween,
  registeredActorsLoseTheirOwners,
  reportsAMoveTooLate,
  stallsBetweenTwoReads,
  storeDownAlone,
  storeDownUnderLastingActors,
  twinOfALiveProcess,
} from './scripts.ts'

const leases: readonly FaultKind[] = ['pause', 'pause-before-flush', 'store-cut', 'store-slow', 'isolate']
const moves: readonly FaultKind[] = ['strike-handoff', 'migrate', 'drain', 'stop', 'crash', 'pause']

export const clusterMutations: readonly Mutation[] = [
  {
    id: 'leader-without-guard',
    rule: 'leader: guard',
    edits: [
      {
        file: 'cluster/leader.ts',
        find: '      guard: { key: leadership.key, version: leadership.version },\n',
        replace: '',
      },
    ],
    options: { faultKinds: ['elect', 'pause', 'store-cut', 'store-slow'], faults: 12 },
  },
  {
    id: 'leader-without-version',
    rule: 'leader: version',
    edits: [
      {
        file: 'cluster/leader.ts',
        find: '      ifVersion: stored.version,\n',
        replace: '',
      },
    ],
    options: { faultKinds: ['store-slow', 'crash', 'migrate'], faults: 14 },
    seeds: 600,
  },
  {
    id: 'leader-lists-nodes-first',
    rule: 'evidence: document first',
    edits: [
      {
        file: 'cluster/leader.ts',
        find: `const { documents, unreadable } = readDocuments(await store.list(keys.placement), keys, this.#protocol, this.#options.onError)
    const nodes = readNodes(await store.list(keys.nodes), this.#options.onError)
    if (this.#leadership !== leadership) return`,
        replace: `const nodes = readNodes(await store.list(keys.nodes), this.#options.onError)
    const { documents, unreadable } = readDocuments(await store.list(keys.placement), keys, this.#protocol, this.#options.onError)`,
      },
      {
        file: 'cluster/leader.ts',
        find: 'guard: { key: leadership.key, version: leadership.version },',
        replace: '',
      },
      {
        file: 'cluster/leader.ts',
        find: `if (this.#leadership !== leadership) return false
    const document =`,
        replace: 'const document =',
      },
    ],
    why: 'only a leader in office writes documents, by its guard and by its own knowledge, so that nobody appoints anybody between its two reads; the order is what holds when both fail',
    options: { nodes: 4, actors: 12, shardCount: 16, faultKinds: [] },
    script: stallsBetweenTwoReads,
    noticedBy: ['I1', 'I13'],
    seeds: 600,
  },
  {
    id: 'state-carried-on-whatever-happened',
    rule: 'lost session: resumption',
    edits: [
      {
        file: 'cluster/placement-document.ts',
        find: 'return epoch > 0 && entry.after <= epoch && epoch <= entry.epoch',
        replace: 'return epoch > 0 && epoch <= entry.epoch',
      },
    ],
    options: { nodes: 3, faultKinds: [] },
    script: missesTheTenureBetween,
    seeds: 600,
  },
  {
    id: 'sealed-owner-resumes-by-itself',
    rule: 'handoff: sealed',
    edits: [
      {
        file: 'cluster/node-parts.ts',
        find: 'await node.keeper.find(unit)?.seal()',
        replace: `const sealing = node.keeper.find(unit)
        await sealing?.seal()
        if (sealing) node.runtime.setTimer(() => { if (sealing.state === 'sealed') sealing.resume(sealing.epoch) }, 60)`,
      },
    ],
    options: { faultKinds: moves, faults: 12 },
  },
  {
    id: 'stale-copy-opened',
    rule: 'handoff: copies by epoch',
    edits: [
      {
        file: 'cluster/ownership.ts',
        find: 'withCopy: copyEpoch !== undefined && carriesOn(entry, copyEpoch) }',
        replace: 'withCopy: copyEpoch !== undefined }',
      },
    ],
    options: { nodes: 3, actors: 8, faultKinds: [] },
    script: keepsTheCopyOfAnAbortedMove,
    seeds: 600,
  },
  {
    id: 'superseded-owner-not-discarded',
    rule: 'lost session: resumption',
    edits: [
      {
        file: 'cluster/ownership.ts',
        find: 'if (newerCopy || !carriesOn(entry, held.epoch)) return DISCARD',
        replace: 'if (newerCopy) return DISCARD',
      },
    ],
    options: { nodes: 3, faultKinds: [] },
    script: missesTheTenureBetween,
    seeds: 600,
  },
  {
    id: 'lease-not-checked-at-use',
    rule: 'lease: checked at use',
    edits: [
      {
        file: 'cluster/node-session.ts',
        find: 'return !registration.session.lost.aborted && this.#options.runtime.leaseMs() < registration.session.safeUntil()',
        replace: 'return !registration.session.lost.aborted',
      },
    ],
    options: { faultKinds: ['pause'], faults: 10 },
  },
  {
    id: 'lease-by-monotonic-clock-alone',
    rule: 'lease: larger of two clocks',
    edits: [
      {
        file: 'runtime/lease-clock.ts',
        find: 'return monotonic + this.#aheadMs',
        replace: 'return monotonic',
      },
    ],
    options: { faultKinds: ['pause'], faults: 12 },
  },
  {
    id: 'lease-by-wall-clock-alone',
    rule: 'lease: larger of two clocks',
    edits: [
      {
        file: 'runtime/lease-clock.ts',
        find: 'return monotonic + this.#aheadMs',
        replace: 'return this.#wallMs()',
      },
    ],
    options: { faultKinds: ['wall-jump', 'store-cut', 'pause'], faults: 14 },
    seeds: 600,
  },
  {
    id: 'lease-from-the-answer',
    rule: 'lease: from the request',
    edits: [
      {
        file: 'metadata/base-metadata-store.ts',
        find: `          const sentAtMs = this.runtime.leaseMs()
          const ttlMs = await this._renewSession(id, call)`,
        replace: `          const ttlMs = await this._renewSession(id, call)
          const sentAtMs = this.runtime.leaseMs()`,
      },
    ],
    options: { faultKinds: ['store-slow', 'store-cut'], faults: 14 },
    seeds: 600,
  },
  {
    id: 'older-document-followed',
    rule: 'stream: no older view',
    edits: [
      {
        file: 'cluster/placement-views.ts',
        find: '!isNewer(document, present.document)) return false',
        replace: 'false) return false',
      },
      {
        file: 'cluster/ownership.ts',
        find: 'if (held.epoch > entry.epoch) return NOTHING',
        replace: 'if (held.epoch > entry.epoch) return DISCARD',
      },
      {
        file: 'cluster/ownership.ts',
        find: 'return held.epoch > entry.epoch ? NOTHING : DISCARD',
        replace: 'return DISCARD',
      },
    ],
    why: 'an owner ignores a document with an epoch below its own as well, and streams compare epochs',
    options: { faultKinds: ['store-slow', 'migrate', 'crash', 'stop', 'drain'], faults: 14 },
    seeds: 600,
  },
  {
    id: 'no-patience-after-an-outage',
    rule: 'evidence: patience',
    edits: [
      {
        file: 'cluster/leader.ts',
        find: 'const mayDeclareDead = runtime.leaseMs() >= patience().deathsAfterMs',
        replace: 'const mayDeclareDead = true',
      },
    ],
    options: { faultKinds: [] },
    script: storeDownAlone,
    seeds: 200,
  },
  {
    id: 'no-wait-for-former-owners-after-rebirth',
    rule: 'evidence: rebirth',
    edits: [
      {
        file: 'cluster/leader.ts',
        find: 'if (runtime.leaseMs() < placeAfterMs) return this.#loop.triggerWithin(placeAfterMs - runtime.leaseMs())\n',
        replace: '',
      },
    ],
    options: { faultKinds: ['store-rebirth'], faults: 3 },
    seeds: 600,
  },
  {
    id: 'handoff-completed-before-release',
    rule: 'handoff: released when copied',
    edits: [
      {
        file: 'cluster/handoff-driver.ts',
        find: 'if (move.released && alive.some(',
        replace: 'if (alive.some(',
      },
    ],
    options: { faultKinds: moves, faults: 10 },
  },
  {
    id: 'late-release-taken',
    rule: 'handoff: reports of this one',
    edits: [
      {
        file: 'cluster/handoff-driver.ts',
        find: 'if (entry?.move?.handoffId !== handoffId || entry.epoch !== epoch) return false',
        replace: 'if (entry?.move === undefined) return false',
      },
      {
        file: 'cluster/handoff-driver.ts',
        find: 'this.#see(handoffId, nowMs).released = true',
        replace: 'this.#see(entry.move.handoffId, nowMs).released = true',
      },
    ],
    why: 'a move is looked up by its own id: a report that is taken for another one has to name the present move as well',
    options: { nodes: 4, actors: 6, faultKinds: [] },
    script: reportsAMoveTooLate,
    seeds: 600,
  },
  {
    id: 'handoff-without-records',
    rule: 'handoff: everything ships',
    edits: [
      {
        file: 'cluster/held-unit.ts',
        find: '    for (const records of this.tenure.exportRecords()) yield { records }\n',
        replace: '',
      },
    ],
    options: { faultKinds: ['migrate', 'drain', 'stop', 'reset', 'cut'], faults: 12 },
  },
  {
    id: 'handoff-without-state',
    rule: 'handoff: everything ships',
    edits: [
      {
        file: 'cluster/held-unit.ts',
        find: '    for (const actor of this.#table.export()) yield { actor }\n',
        replace: '',
      },
    ],
    options: { faultKinds: ['migrate', 'drain', 'stop'], faults: 10 },
  },
  {
    id: 'gate-ignores-the-lease',
    rule: 'lease: checked at use',
    edits: [
      {
        file: 'cluster/held-unit.ts',
        find: "return this.#state === 'active' && (this.goesOnWithoutLease || this.#options.leaseIsSafe())",
        replace: "return this.#state === 'active'",
      },
    ],
    options: { faultKinds: ['pause'], faults: 10 },
  },
  {
    id: 'gate-ignores-the-state',
    rule: 'lost session: suspended',
    edits: [
      {
        file: 'cluster/held-unit.ts',
        find: "return this.#state === 'active' && (this.goesOnWithoutLease || this.#options.leaseIsSafe())",
        replace: 'return this.goesOnWithoutLease || this.#options.leaseIsSafe()',
      },
    ],
    options: { faultKinds: leases, faults: 12 },
  },
  {
    id: 'sealing-does-not-wait',
    rule: 'handoff: sealed',
    edits: [
      {
        file: 'cluster/held-unit.ts',
        find: '    await this.#table.seal()\n',
        replace: '    void this.#table.seal()\n',
      },
    ],
    options: { faultKinds: ['migrate', 'drain', 'stop'], faults: 14 },
    seeds: 600,
  },
  {
    id: 'discard-keeps-the-tenure',
    rule: 'stream: mailbox outlives',
    edits: [
      {
        file: 'cluster/held-unit.ts',
        find: '    this.#table.discard(reason)\n    this.tenure.discard()\n',
        replace: '    this.#table.discard(reason)\n',
      },
    ],
    options: { faultKinds: [...leases, ...moves], faults: 12 },
  },
  {
    id: 'epochs-used-twice',
    rule: 'placement: epochs grow',
    edits: [
      {
        file: 'cluster/placement-transitions.ts',
        find: `this.#epoch++
`,
        replace: `if (entry.owner === null) this.#epoch++
`,
      },
    ],
    options: { faultKinds: ['crash', 'stop', 'migrate'], faults: 10 },
  },
  {
    id: 'epochs-begin-anew-after-a-rebirth',
    rule: 'evidence: rebirth',
    edits: [
      {
        file: 'cluster/leader.ts',
        find: 'if (document.epoch < floor) return { next: raised(document, floor), deaths: [], served: new Map() }',
        replace: '',
      },
      {
        file: 'cluster/leader.ts',
        find: 'epoch: this.#firstEpoch(kind, nodes) }',
        replace: 'epoch: 0 }',
      },
    ],
    options: { faultKinds: ['store-rebirth'], faults: 3 },
    seeds: 600,
  },
  {
    id: 'target-opens-by-itself',
    rule: 'handoff: target waits for the document',
    edits: [
      {
        file: 'cluster/ownership.ts',
        find: 'return held === undefined ? NOTHING : whileNotNamed(entry, process, held)',
        replace: `if (held === undefined && copyEpoch !== undefined && self !== undefined && entry.move !== undefined && sameOwner(entry.move.target, self)) return open(entry, copyEpoch)
  return held === undefined ? NOTHING : whileNotNamed(entry, process, held)`,
      },
    ],
    options: { faultKinds: [...moves], faults: 14, messages: 300 },
    seeds: 1000,
  },
  {
    id: 'aborted-under-the-same-epoch',
    rule: 'handoff: aborted under a higher epoch',
    edits: [
      {
        file: 'cluster/placement-transitions.ts',
        find: 'this.#set(change.unit, this.#next(entry, entry.owner as Owner))',
        replace: 'this.#set(change.unit, { owner: entry.owner, epoch: entry.epoch, after: entry.after })',
      },
    ],
    options: { faultKinds: ['strike-handoff', 'migrate', 'drain', 'cut'], faults: 14 },
  },
  {
    id: 'handoff-left-to-its-leader',
    rule: 'handoff: driven on',
    edits: [
      {
        file: 'cluster/handoff-driver.ts',
        find: '} else if (nowMs - move.firstSeenMs >= this.#options.timeoutMs) {',
        replace: '} else if (false) {',
      },
      {
        file: 'cluster/handoff-source.ts',
        find: 'if (released) this.#reports = this.#options.runtime.setTimer(() => this.#report(), REPORT_EVERY_MS)',
        replace: '',
      },
      {
        file: 'cluster/handoff-source.ts',
        find: `leaderChanged(): void {
    this.#report()`,
        replace: 'leaderChanged(): void {',
      },
    ],
    why: 'a report that was lost is made good by the next one, and a move without any by its abort',
    options: { faultKinds: ['strike-handoff', 'migrate', 'drain', 'elect', 'store-cut'], faults: 14 },
    seeds: 600,
  },
  {
    id: 'node-id-taken-over',
    rule: 'nodes: create if absent',
    edits: [
      {
        file: 'cluster/node-session.ts',
        find: 'const put = await store.put(key, record, { ifVersion, session })',
        replace: 'const put = await store.put(key, record, { session })',
      },
    ],
    options: { nodes: 4, faultKinds: [] },
    script: twinOfALiveProcess,
    seeds: 200,
  },
  {
    id: 'lasting-kinds-suspended',
    rule: 'store loss: continue',
    edits: [
      {
        file: 'cluster/held-unit.ts',
        find: "return this.definition.resolved.onStoreLoss === 'continue'",
        replace: 'return false',
      },
    ],
    options: { nodes: 3, faultKinds: [] },
    script: storeDownUnderLastingActors,
    seeds: 100,
  },
  {
    id: 'registered-not-started-again',
    rule: 'registry: started again',
    edits: [
      {
        file: 'cluster/registry-keeper.ts',
        find: 'shard.toStart.add(held)',
        replace: '',
      },
    ],
    options: { nodes: 4, faultKinds: [] },
    script: registeredActorsLoseTheirOwners,
    seeds: 100,
  },
  {
    id: 'registered-not-started-where-pinned',
    rule: 'registry: started again',
    edits: [
      {
        file: 'cluster/cluster-actor-system.ts',
        find: 'if (pinnedTo === undefined || !remember) return',
        replace: 'return',
      },
    ],
    // Seed 12197 of 12,000 found it: somebody must register just what was moved by hand, and nobody write to it afterwards.
    test: 'cluster/faults.test.ts',
  },
  {
    id: 'registered-with-the-write-before',
    rule: 'registry: started again',
    edits: [{ file: 'cluster/registry-keeper.ts', find: 'const batch = [...shard.changes]', replace: 'const batch = shard.changes' }],
    // Seed 29050 of 20,000: two actors of one shard must be registered within a millisecond.
    test: 'cluster/registry-keeper.test.ts',
  },
  {
    id: 'first-store-id-kept',
    rule: 'evidence: rebirth',
    edits: [
      {
        file: 'cluster/node-parts.ts',
        find: 'if (awayMs === undefined) return node.checkStoreSinceStart()',
        replace: 'if (awayMs === undefined) return',
      },
    ],
    // Seed 11553 of 12,000: the store must lose its data in the milliseconds of a start.
    test: 'cluster/start-and-stop.test.ts',
  },
  {
    id: 'sealed-unit-keeps-its-lease',
    rule: 'lost session: suspended',
    edits: [
      {
        file: 'cluster/held-unit.ts',
        find: `if (this.#state === 'discarded') return
    if (this.#state === 'active') this.#state = 'suspended'`,
        replace: `if (this.#state !== 'active') return
    this.#state = 'suspended'`,
      },
    ],
    // Seed 44603 of 12,000: its node must be registered again before it hears who followed it, and have something that could not leave before.
    test: 'cluster/faults.test.ts',
  },
  {
    id: 'handoff-named-once-for-all',
    rule: 'handoff: reports of this one',
    edits: [
      {
        file: 'cluster/cluster-manager.ts',
        find: 'await this.#lead(kind, args.timeoutMs, (document, nodes) => migration(document, nodes, id, nodeId, newIdentity(runtime)))',
        replace: `const handoffId = newIdentity(runtime)
    await this.#lead(kind, args.timeoutMs, (document, nodes) => migration(document, nodes, id, nodeId, handoffId))`,
      },
    ],
    // Seed 47401 of 12,000: two writes in a row must have an unknown outcome, with two moves of one actor wanted.
    test: 'cluster/moving.test.ts',
  },
  {
    id: 'documents-forgotten-for-good',
    rule: 'evidence: rebirth',
    edits: [{ file: 'cluster/watched-prefix.ts', find: 'this.#entries.clear()\n', replace: '' }],
    // Seed 41487 of 12,000: a node must miss the loss, and see the documents of the new life before it looks at the id.
    test: 'cluster/start-and-stop.test.ts',
  },
  {
    id: 'rebirth-not-heard-of',
    rule: 'evidence: rebirth',
    edits: [{ file: 'cluster/leader.ts', find: 'onRebirthHeard()\n', replace: 'undefined\n' }],
    // Seed 51827 of 8,000: a process must be started in the moment after the loss, and win the election, while an owner of before is cut off.
    test: 'cluster/control-plane.test.ts',
  },
  {
    id: 'any-number-moves-at-once',
    rule: 'placement: least moves',
    edits: [
      {
        file: 'cluster/planner.ts',
        find: 'return Math.max(1, Math.floor(document.shardCount * maxMovingShare))',
        replace: 'return Math.max(document.shardCount, maxMovingShare)',
      },
    ],
    test: 'cluster/planner.test.ts',
  },
  {
    id: 'shipped-once',
    rule: 'handoff: shipped again',
    edits: [
      {
        file: 'cluster/handoff-source.ts',
        find: 'else if (message.attempt !== job.attempt) return',
        replace: 'else return',
      },
    ],
    // Control messages are reliable in the life of both processes, so that no chunk is ever missing between them.
    test: 'cluster/handoff.test.ts',
  },
  {
    id: 'cut-off-node-stays',
    rule: 'isolation',
    edits: [{ file: 'cluster/isolation.ts', find: "return 'leave'", replace: "return 'stay'" }],
    // Liveness while a fault lasts; of the simulation it is demanded only after.
    test: 'cluster/standing-properties.test.ts',
  },
  {
    id: 'writes-what-others-can-not-read',
    rule: 'upgrade',
    edits: [
      {
        file: 'messaging/protocol-version.ts',
        find: 'version = Math.min(version, max)',
        replace: 'version = Math.max(version, Math.min(own.max, max))',
      },
    ],
    test: 'cluster/rolling-upgrade.test.ts',
  },
]
