// Bugs planted in links, streams, records and tenures (GUARANTEES, "How").

import type { FaultKind } from '../src/faults.ts'
import type { Mutation } from './mutation.ts'
import { answersOfAnEarlierTenure, comesAgainBehindItself, heldUpUntilTheActorIsBack, poisonAlone, sendsByAnOldView } from './scripts.ts'

const links: readonly FaultKind[] = ['reset', 'cut', 'slow', 'isolate', 'pause']
const moves: readonly FaultKind[] = ['migrate', 'drain', 'stop', 'strike-handoff', 'reset']
const owners: readonly FaultKind[] = ['crash', 'crash-before-flush', 'pause', 'store-cut', 'migrate', 'reset', 'stop']

export const deliveryMutations: readonly Mutation[] = [
  {
    id: 'epoch-not-checked',
    rule: 'stream: exactly its epoch',
    edits: [
      {
        file: 'delivery/inbound.ts',
        find: 'if (tenure !== undefined && tenure.epoch === message.epoch && tenure.isAccepting) {',
        replace: 'if (tenure !== undefined && tenure.isAccepting) {',
      },
    ],
    options: { nodes: 4, actors: 6, faultKinds: [], messages: 0 },
    script: heldUpUntilTheActorIsBack,
    seeds: 600,
  },
  {
    id: 'duplicates-not-compared',
    rule: 'stream: one number per record',
    edits: [
      {
        file: 'delivery/inbound-message.ts',
        find: 'if (!(this.isReliable || this.isReminder) || !this.#isDuplicate(tenure)) return false',
        replace: 'if (tenure !== undefined) return false',
      },
    ],
    options: { faultKinds: [...links, ...moves], faults: 12 },
  },
  {
    id: 'nothing-recorded',
    rule: 'stream: one number per record',
    edits: [
      {
        file: 'delivery/inbound-message.ts',
        find: 'if (this.id > cell.last) cell.last = this.id',
        replace: 'if (this.id < 0) cell.last = this.id',
      },
    ],
    options: { faultKinds: [...links, ...moves], faults: 12 },
  },
  {
    id: 'missing-record-reads-as-zero',
    rule: 'stream: pruning',
    edits: [
      {
        file: 'delivery/inbound-message.ts',
        find: '    if (id <= stream.source.floor) return true\n',
        replace: '',
      },
    ],
    options: { nodes: 4, actors: 6, faultKinds: [] },
    script: comesAgainBehindItself,
    seeds: 300,
  },
  {
    id: 'acknowledged-when-taken',
    rule: 'stream: acknowledged at the end',
    edits: [
      {
        file: 'delivery/inbound-message.ts',
        find: '    if (this.atMs !== Number.POSITIVE_INFINITY && this.#host.core.now() > this.atMs) {',
        replace: `    if (!this.isAsk && this.isReliable) this.#host.acknowledge(tenure, this.stream, this.id)
    if (this.atMs !== Number.POSITIVE_INFINITY && this.#host.core.now() > this.atMs) {`,
      },
    ],
    options: { faultKinds: ['pause', 'store-cut', 'migrate', 'crash', 'stop'], faults: 12, messages: 300 },
    seeds: 1_000,
  },
  {
    id: 'acknowledgement-of-any-epoch',
    rule: 'stream: acknowledgement names its epoch',
    edits: [
      {
        file: 'delivery/out-endings.ts',
        find: 'return entry.sentTo === peer && entry.sentEpoch === epoch',
        replace: 'return true',
      },
    ],
    why: 'a process that loses its session gets a new link, so that only another process can be late with an answer: the comparison of the process goes as well',
    options: { nodes: 4, actors: 8, faultKinds: [] },
    script: answersOfAnEarlierTenure,
    seeds: 300,
  },
  {
    id: 'newer-before-resent',
    rule: 'stream: resends first',
    edits: [
      {
        file: 'delivery/out-stream.ts',
        find: '    this.cursor = this.head\n',
        replace: '    this.cursor = this.tail\n',
      },
    ],
    options: { faultKinds: [...links, ...owners], faults: 12 },
  },
  {
    id: 'not-sent-again-on-a-new-link',
    rule: 'stream: resends first',
    edits: [
      {
        file: 'delivery/outbound.ts',
        find: `      stream.rewind()
      this.#dropUnrepeatable(stream, 'peer-down')`,
        replace: "      this.#dropUnrepeatable(stream, 'peer-down')",
      },
    ],
    options: { faultKinds: [...links, 'crash', 'store-cut'], faults: 14 },
  },
  {
    id: 'at-most-once-sent-again',
    rule: 'link: at-most-once not queued',
    edits: [
      {
        file: 'delivery/outbound.ts',
        find: 'if (!entry.isReliable && entry.mayHaveArrived) this.endings.endEarly(entry, reason)',
        replace: '',
      },
    ],
    options: { faultKinds: [...links, ...owners], faults: 14, messages: 300 },
    seeds: 1_000,
  },
  {
    id: 'parked-in-any-order',
    rule: 'stream: higher epoch waits',
    edits: [
      {
        file: 'delivery/in-stream.ts',
        find: 'else this.parked.push(message)',
        replace: 'else this.parked.unshift(message)',
      },
    ],
    options: { faultKinds: ['migrate', 'drain', 'store-slow', 'stop', 'slow'], faults: 16, messages: 300 },
    seeds: 1500,
  },
  {
    id: 'parked-messages-forgotten',
    rule: 'stream: higher epoch waits',
    edits: [
      {
        file: 'delivery/inbound.ts',
        find: "if (verdict === 'park') {",
        replace: "if (verdict === 'park' && message.id % 2 === 0) {",
      },
    ],
    options: { faultKinds: ['migrate', 'drain', 'store-slow', 'stop'], faults: 14, messages: 300 },
  },
  {
    id: 'link-takes-any-number',
    rule: 'link: once and in order',
    edits: [
      {
        file: 'delivery/link.ts',
        find: 'if (seq === this.receivedSeq + 1) {',
        replace: 'if (seq > this.receivedSeq) {',
      },
    ],
    options: { faultKinds: links, faults: 12, messages: 300 },
  },
  {
    id: 'link-takes-repetitions',
    rule: 'link: once and in order',
    edits: [
      {
        file: 'delivery/link.ts',
        find: 'if (seq === this.receivedSeq + 1) {',
        replace: 'if (seq <= this.receivedSeq + 1) {',
      },
    ],
    options: { faultKinds: links, faults: 12, messages: 300 },
  },
  {
    id: 'link-never-resends',
    rule: 'link: goes on after a reconnect',
    edits: [
      {
        file: 'delivery/link.ts',
        find: '    this.#handedSeq = Math.max(receipt, this.receiptedSeq)\n    return RESEND',
        replace: '    return 0',
      },
    ],
    options: { faultKinds: links, faults: 12 },
  },
  {
    id: 'suspended-turns-answer',
    rule: 'stream: acknowledged at the end',
    edits: [
      {
        file: 'delivery/tenure.ts',
        find: 'if (this.isSuspended || this.isFenced) return false\n    if (this.#mayLeave()) return true',
        replace: 'return true',
      },
    ],
    options: { faultKinds: ['pause', 'store-cut', 'store-down', 'isolate'], faults: 12, messages: 300 },
    seeds: 1_000,
  },
  {
    id: 'shipped-without-sealing',
    rule: 'handoff: sealed',
    edits: [
      {
        file: 'cluster/held-unit.ts',
        find: `    await this.#table.seal()
    // Discarded in between.
    if (this.#state !== 'sealing') return
    this.tenure.seal()
    this.#state = 'sealed'`,
        replace: "    this.#state = 'active'",
      },
    ],
    options: { faultKinds: [...moves], faults: 14, messages: 300 },
    seeds: 600,
  },
  {
    id: 'control-taken-and-dropped',
    rule: 'link: control once',
    edits: [
      {
        file: 'delivery/control-channel.ts',
        find: `this.#received = number
    return true`,
        replace: `this.#received = number
    return number % 3 !== 0`,
      },
    ],
    options: { faultKinds: ['migrate', 'drain', 'stop', 'crash'], faults: 14, messages: 300 },
    seeds: 300,
  },
  {
    id: 'time-of-an-earlier-turn',
    rule: 'bound: deadlines',
    edits: [
      {
        file: 'delivery/delivery-core.ts',
        find: '      this.runtime.endOfTurn(this.#forget)\n',
        replace: '',
      },
    ],
    options: { faultKinds: ['reset'], faults: 2 },
  },
  {
    id: 'sources-by-node-id',
    rule: 'stream: sources by process',
    edits: [
      {
        file: 'delivery/processes.ts',
        find: 'let source = this.#sources.get(processId)',
        replace: 'let source = processId === this.#core.processId ? this.#core.self : this.#sources.get(nodeId)',
      },
      {
        file: 'delivery/processes.ts',
        find: 'this.#sources.set(processId, source)',
        replace: 'this.#sources.set(nodeId, source)',
      },
    ],
    options: { faultKinds: ['crash', 'crash-before-flush', 'stop'], faults: 10 },
  },
  {
    id: 'nothing-sent-again-to-another-process',
    rule: 'link: another process is another link',
    edits: [
      {
        file: 'delivery/out-stream.ts',
        find: `this.peer = peer
    this.rewind()`,
        replace: 'this.peer = peer',
      },
    ],
    options: { faultKinds: ['crash', 'crash-before-flush', 'migrate'], faults: 10 },
  },
  {
    id: 'buffered-messages-dropped-on-moved',
    rule: 'stream: only senders re-route',
    edits: [
      {
        file: 'delivery/outbound.ts',
        find: 'if (stream.epoch < epoch) this.#route(stream, { unit, owner, epoch })',
        replace: `if (stream.epoch < epoch) {
      for (let entry = stream.head; entry !== undefined; entry = stream.head) this.endings.finish(entry)
      this.#route(stream, { unit, owner, epoch })
    }`,
      },
    ],
    options: { faultKinds: ['migrate', 'store-slow', 'stop', 'drain'], faults: 14 },
    seeds: 600,
  },
  {
    id: 'moved-not-answered',
    rule: 'stream: lower epoch answered',
    edits: [
      {
        file: 'delivery/inbound.ts',
        find: "if (verdict === 'moved') this.#answerMoved(stream, message, tenure, location)",
        replace: "if (verdict === 'moved') message.lost('moved')",
      },
    ],
    options: { nodes: 4, actors: 8, faultKinds: [] },
    script: sendsByAnOldView,
  },
  {
    id: 'duplicates-not-acknowledged',
    rule: 'stream: ends answered again',
    edits: [
      {
        file: 'delivery/inbound-message.ts',
        find: `else this.#host.acknowledge(tenure, stream, id)
      return true`,
        replace: 'return true',
      },
    ],
    options: { nodes: 4, actors: 6, faultKinds: [] },
    script: comesAgainBehindItself,
  },
  {
    id: 'not-executed-whatever-was-sent',
    rule: 'stream: NotExecuted is certain',
    edits: [
      {
        file: 'delivery/out-endings.ts',
        find: 'const isUnknown = entry.mayHaveArrived || entry.hasBegun || entry.isStashed',
        replace: 'const isUnknown = entry.hasBegun || entry.isStashed',
      },
    ],
    options: { faultKinds: [...links, ...owners], faults: 12, messages: 300 },
  },
  {
    id: 'replies-not-kept',
    rule: 'stream: kept replies',
    edits: [
      {
        file: 'delivery/records.ts',
        find: `if (id <= cell.source.floor) return
    if (this.budget.used`,
        replace: `if (outcome !== 4) return
    if (this.budget.used`,
      },
    ],
    options: { faultKinds: [...links, ...moves], faults: 14, messages: 300 },
  },
  {
    id: 'returned-in-another-order',
    rule: 'stream: the short way',
    edits: [
      {
        file: 'delivery/local-delivery.ts',
        find: 'returned.sort((a, b) => a.order - b.order)',
        replace: 'returned.sort((a, b) => b.order - a.order)',
      },
    ],
    options: { faultKinds: moves, faults: 14, messages: 300 },
    seeds: 600,
  },
  {
    id: 'breaker-stays-open',
    rule: 'bound: breaker',
    edits: [
      {
        file: 'delivery/circuit-breaker.ts',
        find: "if (this.#state.name !== 'closed' || this.#state.failures > 0) this.#state = { name: 'closed', failures: 0 }",
        replace: '',
      },
    ],
    options: { faultKinds: ['reset', 'cut', 'isolate'], faults: 12 },
    seeds: 600,
  },
  {
    id: 'returned-messages-leave-without-the-lease',
    rule: 'lease: checked at use',
    edits: [
      {
        file: 'delivery/local-delivery.ts',
        find: 'entry.from = message.from',
        replace: '',
      },
    ],
    options: { nodes: 3, actors: 5, faultKinds: ['store-down', 'store-cut', 'pause'], faults: 8, messages: 600 },
    noticedBy: ['I2'],
  },
  {
    id: 'deaths-not-counted',
    rule: 'bound: poison',
    edits: [
      {
        file: 'delivery/outbound.ts',
        find: 'entry.deaths >= this.#core.limits.poisonDeaths',
        replace: 'entry.deaths >= 1_000',
      },
    ],
    options: { nodes: 5, faultKinds: [] },
    script: poisonAlone,
    seeds: 100,
  },
  {
    id: 'outbox-without-bounds',
    rule: 'bound: outbox',
    edits: [
      {
        file: 'delivery/admission.ts',
        find: 'if (this.#outbox.count >= outboxMessages || this.#outbox.bytes >= outboxBytes) return false',
        replace: 'return true',
      },
    ],
    options: { faultKinds: ['crash', 'isolate', 'cut', 'store-cut'], faults: 10, messages: 1_500, actors: 6 },
    seeds: 400,
  },
  {
    id: 'room-overtaken',
    rule: 'stream: the short way',
    edits: [
      {
        file: 'delivery/admission.ts',
        find: 'return this.#actors.size > 0 && this.#actors.has(keyOf(address))',
        replace: 'return false',
      },
    ],
    options: { faultKinds: ['crash', 'migrate', 'cut', 'drain', 'stop'], faults: 14, messages: 500, actors: 6 },
    seeds: 600,
  },
  {
    id: 'refused-by-a-later-owner',
    rule: 'stream: NotExecuted is certain',
    edits: [{ file: 'delivery/out-entry.ts', find: 'return this.wasTransmitted || this.hasBegun', replace: 'return false' }],
    options: { faultKinds: ['pause', 'store-cut', 'store-gap', 'cut', 'migrate'], faults: 12, watches: 60 },
    seeds: 600,
  },
  {
    id: 'repetitions-refused',
    rule: 'stream: ends answered again',
    edits: [
      {
        file: 'delivery/inbound-message.ts',
        find: "if (this.#state === 'queued' && this.tenure !== undefined && this.tenure.state !== 'discarded' && this.#isRepetition(this.tenure)) return\n",
        replace: '',
      },
      { file: 'delivery/out-entry.ts', find: 'return this.wasTransmitted || this.hasBegun', replace: 'return this.hasBegun' },
    ],
    why: 'what comes again over a new link may have run before, by what its sender knows, so that its refusal is reported as unknown; the record is what holds when that fails',
    options: { faultKinds: ['pause', 'cut', 'reset', 'store-down'], faults: 12, watches: 60 },
    seeds: 600,
  },
  {
    id: 'probe-asks-for-nothing',
    rule: 'link: probes',
    edits: [
      {
        file: 'delivery/link.ts',
        find: 'this.#headerFlags |= this.isEstablished ? FLAG_ASK : FLAG_ASK | FLAG_HELLO',
        replace: 'if (!this.isEstablished) this.#headerFlags |= FLAG_ASK | FLAG_HELLO',
      },
    ],
    test: 'delivery/link.test.ts',
  },
  {
    id: 'oldest-waits-for-credit',
    rule: 'link: oldest without credit',
    edits: [
      {
        file: 'delivery/outbound.ts',
        find: 'if (!peer.hasCredit && !isOldest(stream, entry)) {',
        replace: 'if (!peer.hasCredit) {',
      },
    ],
    // A window is 4 MB, and what waits for room gets it from turns that end.
    test: 'delivery/bounds.test.ts',
  },
  {
    id: 'credit-is-not-kept-to',
    rule: 'bound: credit',
    edits: [{ file: 'delivery/peer.ts', find: 'return this.#sentCost < this.#creditLimit', replace: 'return this.#creditLimit > 0' }],
    test: 'delivery/bounds.test.ts',
  },
]
