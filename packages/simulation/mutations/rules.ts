// The rules of GUARANTEES, "How" and "Bounds", and of ARCHITECTURE, section 7, that a planted bug can break. Each has at least one mutation, or says
// here why not: `test/mutations.test.ts` checks that.

interface Rule {
  readonly says: string
  /** Why nothing breaks it. */
  readonly unbroken?: string
}

const table = {
  // ── Links ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  'link: once and in order': {
    says: 'the receiver takes each frame number once and in order, drops what it has seen, asks for what is missing',
  },
  'link: goes on after a reconnect': { says: 'after a reconnect the sender goes on from what the other side last saw' },
  'link: another process is another link': {
    says: 'a peer that returns with another process id is another link; what was outstanding is re-routed',
  },
  'link: probes': {
    says: 'unreceipted frames without progress are probed for; receipts are cumulative and leave within 2 ms',
  },
  'link: control once': { says: 'control messages are taken once, in the life of both processes' },
  'link: oldest without credit': {
    says: 'the oldest message of a stream never waits for credit',
  },
  'link: at-most-once not queued': { says: 'an at-most-once message is not queued for a peer that is down, and never sent again' },
  // ── Streams ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  'stream: resends first': { says: 'on another route or a new link, first everything unacknowledged in order, then anything newer' },
  'stream: no older view': { says: 'an older view is never followed' },
  'stream: only senders re-route': { says: 'nodes never forward; a sender that is told Moved sends again' },
  'stream: exactly its epoch': { says: 'a receiver accepts a message only under exactly its own epoch' },
  'stream: lower epoch answered': { says: 'under a lower epoch the receiver answers Moved' },
  'stream: higher epoch waits': {
    says: 'under a higher epoch the message stays, with everything behind it in its stream, until the view is there',
  },
  'stream: one number per record': { says: 'the record is the id last handled, compared when a turn starts' },
  'stream: ends answered again': { says: 'a duplicate of an ended message is acknowledged again' },
  'stream: mailbox outlives': {
    says: 'the mailbox outlives activations; sealing empties it, discarding discards it with records and activations',
  },
  'stream: pruning': { says: 'ids at or below the floor are refused, a missing record reads as the floor, records outlive passivation' },
  'stream: sources by process': { says: 'a source is a process: records are kept by process id, and retired only when it is gone' },
  'stream: acknowledged at the end': {
    says: 'an acknowledgement means that the turn has ended; that of a suspended turn waits for the resume',
  },
  'stream: acknowledgement names its epoch': {
    says: 'the sender ignores acknowledgements of an epoch other than the one it last sent under',
  },
  'stream: NotExecuted is certain': { says: 'what was transmitted, or has begun, ends as Unknown and never as NotExecuted' },
  'stream: durable commits': { says: 'commits are conditional on epoch and version', unbroken: 'durable actors are not built yet' },
  'stream: stash': { says: 'a stashed message is kept as state and moves in a handoff' },
  'stream: kept replies': { says: 'a reply is kept until the floor passes its ask, so that a repeated ask gets the same one' },
  'stream: the short way': {
    says: 'local delivery only while nothing of the stream is outstanding elsewhere; what comes back joins the outbox in order',
  },
  'bound: outbox': { says: 'outbox and link buffers are bounded in count and bytes' },
  'bound: poison': { says: 'at three deaths of its owner a message in hand is dead-lettered' },
  'bound: credit': {
    says: 'credit bounds what a receiver holds; full mailboxes take it back',
  },
  'bound: breaker': { says: 'the circuit breaker never delays failover: peer up or a placement change closes it' },
  'bound: deadlines': { says: 'everything ends by its deadline, counted from when it was sent' },
  // ── Membership, leadership, placement ─────────────────────────────────────────────────────────────────────────────────────────────────
  'nodes: create if absent': { says: 'nodes/<id> is created only where it is absent: one process for each node id' },
  'leader: guard': { says: 'placement is written only under the guard of the leader key' },
  'leader: version': { says: 'placement is written over exactly the version that was read' },
  'placement: epochs grow': { says: 'each new owner gets a higher epoch of one counter for each document' },
  'placement: least moves': {
    says: 'rendezvous, fair share, and no more than 10 % moving at once',
  },
  'evidence: document first': { says: 'evidence of death: the document first, then a linearizable list; never an older view' },
  'evidence: patience': { says: 'after an outage of the store the leader waits one TTL before it declares anybody dead' },
  'evidence: rebirth': {
    says: 'after a changed storeId everybody fences and rejoins, nothing is placed for one TTL, and epochs go on above those remembered',
  },
  'lease: checked at use': { says: 'turns run, and anything leaves, only while the lease is safe, checked at use' },
  'lease: larger of two clocks': { says: 'elapsed time is the larger of monotonic and wall' },
  'lease: from the request': { says: 'a lease is counted from when its renewal was sent' },
  'lost session: suspended': { says: 'when the session is lost every shard is suspended, and runs nothing' },
  'lost session: resumption': { says: 'a shard is resumed only when nobody owned it in between, otherwise discarded' },
  'handoff: sealed': { says: 'a sealed owner accepts nothing, has finished the turn in hand, and acts again only under a higher epoch' },
  'handoff: everything ships': { says: 'state, stash, timers, replies and every record go along' },
  'handoff: released when copied': { says: 'the source reports released when the target has confirmed the whole copy' },
  'handoff: reports of this one': { says: 'a report of another handoff or epoch changes nothing' },
  'handoff: shipped again': {
    says: 'a copy that did not arrive whole is shipped again',
  },
  'handoff: target waits for the document': { says: 'the target opens when it sees the document that names it' },
  'handoff: copies by epoch': { says: 'a copy counts only under an entry whose `after` allows the epoch it was sealed in' },
  'handoff: aborted under a higher epoch': { says: 'aborting is a write of the leader with a higher epoch' },
  'handoff: driven on': { says: 'a new leader drives a handoff on, or aborts it' },
  isolation: {
    says: 'a node that reaches the store and none of its peers ends its own session after a bound',
  },
  upgrade: { says: 'writers use the lowest protocol version registered' },
  'store loss: continue': { says: "a kind with onStoreLoss 'continue' goes on without a lease" },
  // ── Watching: decisions/0011 ──────────────────────────────────────────────────────────────────────────────────────────────────────────
  'watch: one notice': { says: 'a notice counts once, and only for the very watch that it belongs to' },
  'watch: asked for': {
    says: 'when the owner of the other side has changed a half asks whether the other half still exists: if it does not, what was watched is lost',
  },
  'watch: goes along': { says: 'a watch survives restarts of both, and moves with both' },
  'watch: told why': {
    says: 'a life that ends in order tells those who watch it why, behind what it has sent them, until they have heard it',
  },
  'registry: started again': { says: 'registered actors are started where they are, and again elsewhere after a failure' },
} as const satisfies Readonly<Record<string, Rule>>

export type RuleId = keyof typeof table

export const rules: ReadonlyMap<RuleId, Rule> = new Map(Object.entries(table) as Array<[RuleId, Rule]>)
