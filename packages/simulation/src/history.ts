// What happened, as an observer who sees everything notes it: sends and how they ended, turns, lives of actors' states, crashes, lost leases.
// Checkers read it when the run is over; nothing here judges.
//
// A *life* is one state of one actor from its making to its loss. It goes along in handoffs, so its number tells whether a state was
// carried over, made anew, or is there twice.

import type { TerminationReason } from '@cajun/core'
import type { Guarantee } from '@cajun/core/adapter'

export interface SendRecord {
  readonly message: number
  /** The process that sent it. */
  readonly source: string
  readonly actor: string
  /** Its place among everything that this source sent to this actor. */
  readonly order: number
  readonly guarantee: Guarantee
  readonly form: 'tell' | 'send' | 'ask'
  readonly atMs: number
  readonly timeoutMs: number
  /** Sent in the turn of this message. */
  readonly insideOf: number | undefined
  /** Of the convergence phase: it must succeed. */
  readonly isProbe: boolean
  readonly isAborted?: boolean
}

export type Result =
  /** The guarantee was met, or the reply came. */
  | 'ok'
  /** `tell` returned true. */
  | 'accepted'
  | 'not-executed'
  | 'unknown'
  /** The handler threw. */
  | 'failed'
  | 'error'

export interface OutcomeRecord {
  readonly result: Result
  readonly atMs: number
  readonly detail?: string | undefined
  /** Of an ask that recorded its turn: what it answered. */
  readonly reply?: { readonly message: number; readonly life: number; readonly count: number } | undefined
}

export interface TurnRecord {
  readonly message: number
  readonly actor: string
  readonly process: string
  readonly life: number
  /** How many turns this state has seen, this one included. */
  readonly count: number
  readonly atMs: number
  /** By the documents as the store holds them at this moment. */
  readonly epoch: number
  /** Why this process must not run a turn of this actor now. */
  readonly problem: string | undefined
  /** The turn put the message aside; it is handled later, in whatever order. */
  readonly isStash?: boolean
  /** Of a message that had been put aside: its order was settled then. */
  readonly isUnstashed?: boolean
  /** Undefined: it never ended, or not while its process lived. */
  endedAtMs: number | undefined
}

/** Something that a turn caused has left its process: an acknowledgement, a reply, a message. */
export interface DepartureRecord {
  readonly what: 'acknowledgement' | 'reply' | 'message'
  /** The message whose turn caused it. */
  readonly message: number
  /** The message that the turn sent. Withdrawn from its frame it still shows there: only one that was handled has left. */
  readonly sent?: number | undefined
  /** The process that it left. */
  readonly process: string
  /** When it was first handed to the transport. */
  readonly atMs: number
  /** Why it must not have left then. */
  readonly problem: string | undefined
}

export interface LifeRecord {
  readonly life: number
  readonly actor: string
  readonly process: string
  readonly atMs: number
  /** Ended in a way that gives its state up: passivated, stopped, restarted. */
  end: { readonly reason: string; readonly atMs: number } | undefined
  /** When a new life began although this one's end is not noted: whether something that happened since excuses its loss. */
  excuse?: string | undefined
}

interface WatchingRecord {
  readonly watcher: string
  /** Of the watcher's state. */
  readonly life: number
  readonly watched: string
  readonly process: string
  readonly atMs: number
}

/** An actor has begun to watch another one, has given that up, or is told of its end. */
export type WatchEvent =
  | (WatchingRecord & {
      readonly event: 'watch'
      /** What it asked the watched one in the same turn, behind the watch: the answer comes behind that of the watch, from the life that has been found, or a later one. */
      readonly question: number
    })
  | (WatchingRecord & { readonly event: 'unwatch' })
  | (WatchingRecord & {
      readonly event: 'notice'
      readonly reason: TerminationReason
      /** What can have cost the watched one its memory, since it has been watched. */
      readonly loss: string | undefined
      /** When the watched one's place was last changed. */
      readonly placedMs: number
    })

/** What a node keeps at one moment, and what it may. */
export interface GaugeRecord {
  readonly process: string
  readonly what: string
  readonly value: number
  readonly bound: number
  readonly atMs: number
}

/** One fact as a node's cached view has it, where the store has had another for a while. */
export interface ViewRecord {
  readonly process: string
  readonly what: string
  readonly seen: string
  readonly stored: string
  readonly atMs: number
}

/** A write to the store by a process: not the end of a session. */
export interface StoreWriteRecord {
  readonly key: string
  readonly by: string
  /** False: the store did it, and its answer was lost. */
  readonly isAnswered: boolean
  readonly atMs: number
}

export interface DeadLetterRecord {
  readonly process: string
  readonly actor: string
  readonly reason: string
  readonly atMs: number
}

export interface ProcessEvent {
  readonly process: string
  readonly atMs: number
  readonly event: 'started' | 'crashed' | 'stopped' | 'lease lost' | 'paused' | 'resumed'
}

/** Any violation found while the run went on: a refused write that went through, an uncaught error. */
export interface Finding {
  readonly invariant: string
  readonly what: string
  readonly atMs: number
}

export class History {
  readonly sends: SendRecord[] = []
  readonly outcomes: Map<number, OutcomeRecord> = new Map()
  readonly turns: TurnRecord[] = []
  readonly lives: Map<number, LifeRecord> = new Map()
  readonly deadLetters: DeadLetterRecord[] = []
  readonly processEvents: ProcessEvent[] = []
  readonly findings: Finding[] = []
  readonly departures: DepartureRecord[] = []
  /** Only those above their bounds: the others are too many to keep. */
  readonly excesses: GaugeRecord[] = []
  readonly views: ViewRecord[] = []
  readonly storeWrites: StoreWriteRecord[] = []
  readonly watching: WatchEvent[] = []
  /** Readable lines for the trace of a failing run: faults, leadership, appointments. */
  readonly notes: Array<{ readonly atMs: number; readonly where: string; readonly what: string; readonly unit: string | undefined }> = []
  readonly #orders = new Map<string, number>()
  #lives = 0
  /** Had turns after their passivation. */
  readonly #wentOn = new Set<number>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  sent(record: Omit<SendRecord, 'message' | 'order' | 'atMs'>): SendRecord {
    const stream = `${record.source}>${record.actor}`
    const order = (this.#orders.get(stream) ?? 0) + 1
    this.#orders.set(stream, order)
    const full: SendRecord = { ...record, message: this.sends.length, order, atMs: this.#now() }
    this.sends.push(full)
    return full
  }

  ended(
    message: number,
    result: Result,
    extra: { readonly detail?: string | undefined; readonly reply?: OutcomeRecord['reply'] } = {},
  ): void {
    if (this.outcomes.has(message)) this.found('I7', `message ${message} ended twice`)
    this.outcomes.set(message, { result, atMs: this.#now(), ...extra })
  }

  turn(record: Omit<TurnRecord, 'atMs' | 'endedAtMs'>): TurnRecord {
    const turn: TurnRecord = { ...record, atMs: this.#now(), endedAtMs: undefined }
    this.turns.push(turn)
    if (this.lives.get(turn.life)?.end?.reason === 'passivated') this.#wentOn.add(turn.life)
    return turn
  }

  /** The handler has returned, or thrown. */
  turnEnded(turn: TurnRecord): void {
    turn.endedAtMs ??= this.#now()
  }

  gauge(process: string, what: string, value: number, bound: number): void {
    if (value > bound) this.excesses.push({ process, what, value, bound, atMs: this.#now() })
  }

  view(process: string, what: string, seen: string, stored: string): void {
    if (seen !== stored) this.views.push({ process, what, seen, stored, atMs: this.#now() })
  }

  storeWrite(key: string, by: string, isAnswered = true): void {
    this.storeWrites.push({ key, by, isAnswered, atMs: this.#now() })
  }

  departed(record: DepartureRecord): void {
    this.departures.push(record)
  }

  born(actor: string, process: string): number {
    const life = ++this.#lives
    this.lives.set(life, { life, actor, process, atMs: this.#now(), end: undefined })
    return life
  }

  /** The first end counts; but a passivation whose owner was to hand the actor over in the middle of it ends nothing. */
  gaveUp(life: number, reason: string): void {
    const record = this.lives.get(life)
    if (record === undefined) return
    if (record.end === undefined || this.#wentOn.delete(life)) record.end = { reason, atMs: this.#now() }
  }

  deadLetter(process: string, actor: string, reason: string): void {
    this.deadLetters.push({ process, actor, reason, atMs: this.#now() })
  }

  process(process: string, event: ProcessEvent['event']): void {
    this.processEvents.push({ process, event, atMs: this.#now() })
  }

  found(invariant: string, what: string): void {
    this.findings.push({ invariant, what, atMs: this.#now() })
  }

  /** `unit`: of placement, that it is about. */
  note(where: string, what: string, unit?: string): void {
    this.notes.push({ atMs: this.#now(), where, what, unit })
  }
}
