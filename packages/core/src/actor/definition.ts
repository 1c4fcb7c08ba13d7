// defineActor and implement: what an actor is. Checks and completes the definition once, so that nothing is looked up per message.

import { ConfigError } from '../errors.ts'
import { type Backoff, type BackoffOptions, checkDuration, resolveBackoff } from './backoff.ts'
import type { Context } from './context.ts'
import type { AnyProtocol, Payload, Protocol, Reply } from './protocol.ts'
import type { StandardSchema } from './standard-schema.ts'
import type { StopReason } from './stop-reason.ts'
import { resolveSupervision, type Supervision, type SupervisionOptions, type SupervisionStrategy } from './supervision.ts'

/** Handlers are held against this. A payload that is not annotated becomes `never` by it, and so an error where it is used or sent, instead of `any`. */
export type Handler<S> = (ctx: Context<S>, payload: never) => unknown
export type Handlers<S> = { readonly [type: string]: Handler<S> }

/** The protocol that a set of handlers speaks. */
export type ProtocolOf<M> = {
  [T in keyof M]: M[T] extends (ctx: any, ...payload: infer A) => infer R ? (...payload: A) => Awaited<R> : never
}

declare const protocol: unique symbol

/**
 * What an actor is: give it to a system, and to `ref`. The messages and replies stand in its type alone, so a client may import only that:
 * `system.ref<typeof Counter>('counter', 'c-1')`.
 */
export interface ActorDefinition<P extends Protocol = any, K extends string = string> {
  readonly kind: K
  /** Exists in the type only. */
  readonly [protocol]?: P
  /** @internal */
  readonly resolved: ResolvedDefinition
}

export type ProtocolOfDefinition<D extends ActorDefinition> = D extends ActorDefinition<infer P> ? P : never

export type OverflowPolicy = 'drop-newest' | 'drop-oldest' | 'reject' | 'unbounded'

export interface MailboxOptions {
  /** Messages that may wait. Default 100,000. */
  readonly limit?: number | undefined
  /**
   * When the limit is reached: `drop-newest` (default) makes a dead letter of the new message, `drop-oldest` of the oldest; with `reject` a send or ask is
   * refused at once. Sends, asks and reliable messages from other processes wait for room under both `drop` policies. `unbounded` has no limit.
   */
  readonly policy?: OverflowPolicy | undefined
  /** Above that many waiting messages `tell` returns false. Default: half the limit, at most 8,192. */
  readonly highWater?: number | undefined
}

export interface RetryOptions {
  /** How often the handler is run for one message in all, 2 or more. */
  readonly attempts: number
  /** Between attempts the actor waits, so that order holds. Default 100 ms, doubling. */
  readonly backoff?: number | BackoffOptions | undefined
}

/** What `defineActor` and `implement` have in common. */
export interface ActorOptions<S, P extends Protocol = AnyProtocol> {
  /** Makes the state of a new activation; afterwards it is `ctx.state`. What must be awaited belongs into `onStart`. */
  readonly state?: ((id: string) => S) | undefined
  /** Before the first message of an activation. When it throws, supervision decides; `resume` then means `stop`. */
  readonly onStart?: ((ctx: Context<S, P>) => unknown) | undefined
  /** After the last message of an activation, children gone. Not after a turn time-out, nor when the ownership was lost: nothing may run then. */
  readonly onStop?: ((ctx: Context<S, P>, reason: StopReason) => unknown) | undefined
  /** The idle time-out passed: before `onStop('passivated')`. Where the actor is to move just then, it goes on after this instead, and may be called so again. */
  readonly onPassivate?: ((ctx: Context<S, P>) => unknown) | undefined
  /** When a handler throws. Default `resume`. */
  readonly supervision?: SupervisionStrategy | SupervisionOptions | undefined
  readonly mailbox?: MailboxOptions | undefined
  /** Without a message for so long, the activation ends: the next message starts a new one (local systems: the actor stops). Default never. */
  readonly idleTimeoutMs?: number | undefined
  /** A turn that takes longer is abandoned and its activation with it. Default 60,000; `Infinity` switches it off. */
  readonly turnTimeoutMs?: number | undefined
  /** Runs a handler that threw again for the same message. Default off. */
  readonly retry?: RetryOptions | undefined
  /** What a planned move does with the state: `move` (default) ships it, `restart` starts afresh over there. */
  readonly handoff?: 'move' | 'restart' | undefined
  /**
   * When a process can't renew its lease, because it does not reach the metadata store: `suspend` (default) runs nothing until the lease is back, so that there is one owner.
   * `continue` is availability over single ownership: actors that this process owns run on beyond their lease, and their messages, acknowledgements and replies leave. Meanwhile
   * another process may be appointed, and both run; when this one reaches the store again and finds another named, its state is *discarded*, with all that it did. Where nobody
   * was appointed (the store was out of reach for all) it goes on with its state. New owners are appointed by the store alone. `health()` and the metric
   * `ownedWithoutLease` say when it is so.
   */
  readonly onStoreLoss?: 'suspend' | 'continue' | undefined
  /** Definitions of the children that it spawns: needed for them to move with it. */
  readonly children?: readonly ActorDefinition[] | undefined
  /** Not available yet: `true` is refused with a `ConfigError`. */
  readonly durable?: boolean | undefined
}

export interface ActorSpec<S, M extends Handlers<S>, C extends AnySchemas = AnySchemas> extends ActorOptions<S> {
  /** Message name -> handler. Handlers may be async; the turns of one actor never overlap. */
  readonly messages: M
  /** Message name -> schema of its payload (Standard Schema; synchronous). A payload that fails never reaches the handler; one that passes reaches it as the schema put it out. */
  readonly schemas?: (C & CheckedSchemas<ProtocolOf<M>, C>) | undefined
  /** Name -> handlers that `ctx.become(name)` puts in front of `messages`. */
  readonly behaviours?: { readonly [name: string]: Behaviour<S, ProtocolOf<NoInfer<M>>> } | undefined
}

export interface ContractSpec<P extends Protocol, S> extends ActorOptions<S, P> {
  readonly messages: ContractHandlers<P, S>
  readonly schemas?: Schemas<P> | undefined
  readonly behaviours?: { readonly [name: string]: Partial<ContractHandlers<P, S>> } | undefined
}

export type Schemas<P extends Protocol> = { readonly [T in keyof P]?: StandardSchema<any, Payload<P, T>> }

export type AnySchemas = { readonly [type: string]: StandardSchema<any, any> }

/**
 * A parameter of its own, and not `Schemas<P>`: inferring through that would take the messages from the schemas and lose their payloads.
 * While the compiler has not looked at the handlers yet, their payloads are `never`: that must pass, or it never comes to look.
 */
export type CheckedSchemas<P extends Protocol, C> = {
  readonly [T in keyof C]: T extends keyof P ? SchemaOf<Payload<P, T>> : never
}

type SchemaOf<T> = [T] extends [never] ? StandardSchema<any, any> : StandardSchema<any, T>

export type Behaviour<S, P extends Protocol> = {
  readonly [T in keyof P]?: (ctx: Context<S>, payload: Payload<P, T>) => unknown
}

export type ContractHandlers<P extends Protocol, S> = {
  readonly [T in keyof P]: P[T] extends (...payload: infer A) => unknown
    ? (ctx: Context<S, P>, ...payload: A) => Reply<P, T> | Promise<Reply<P, T>>
    : never
}

/** An actor whose protocol is inferred from its handlers. Annotate each payload. */
export function defineActor<const K extends string, M extends Handlers<S>, C extends AnySchemas, S = undefined>(
  kind: K,
  spec: ActorSpec<S, M, C>,
): ActorDefinition<ProtocolOf<M>, K> {
  return { kind, resolved: resolveDefinition(kind, spec as unknown as AnySpec) }
}

/** Contract first: `implement<CounterProtocol>()('counter', {…})`. Payloads, replies, `ctx.self` and the names of timers' messages are checked against the protocol. */
export function implement<P extends Protocol>(): <const K extends string, S = undefined>(
  kind: K,
  spec: ContractSpec<P, S>,
) => ActorDefinition<P, K> {
  return (kind, spec) => ({ kind, resolved: resolveDefinition(kind, spec as unknown as AnySpec) })
}

type AnyContext = Context<any, any>

export interface MessageEntry {
  readonly type: string
  readonly handler: (ctx: AnyContext, payload: unknown) => unknown
  readonly schema: StandardSchema | undefined
}

interface AnySpec extends ActorOptions<unknown> {
  readonly messages: { readonly [type: string]: MessageEntry['handler'] }
  readonly schemas?: { readonly [type: string]: StandardSchema | undefined } | undefined
  readonly behaviours?: { readonly [name: string]: AnySpec['messages'] } | undefined
}

/** @internal A definition with every default in place. */
export interface ResolvedDefinition {
  readonly kind: string
  readonly state: ((id: string) => unknown) | undefined
  readonly messages: ReadonlyMap<string, MessageEntry>
  readonly behaviours: ReadonlyMap<string, ReadonlyMap<string, MessageEntry>>
  readonly onStart: ((ctx: AnyContext) => unknown) | undefined
  readonly onStop: ((ctx: AnyContext, reason: StopReason) => unknown) | undefined
  readonly onPassivate: ((ctx: AnyContext) => unknown) | undefined
  readonly supervision: Supervision
  readonly mailboxLimit: number
  readonly highWater: number
  readonly overflow: OverflowPolicy
  readonly idleTimeoutMs: number
  readonly turnTimeoutMs: number
  readonly retry: { readonly attempts: number; readonly backoff: Backoff } | undefined
  readonly handoff: 'move' | 'restart'
  readonly onStoreLoss: 'suspend' | 'continue'
  readonly children: readonly ActorDefinition[]
}

function resolveDefinition(kind: string, spec: AnySpec): ResolvedDefinition {
  checkKind(kind)
  if (spec.durable === true) throw new ConfigError(`'${kind}' says durable: true; state stores do not exist yet, leave it out`)
  const messages = resolveMessages(kind, 'messages', spec.messages, spec.schemas)
  for (const type of Object.keys(spec.schemas ?? {})) {
    if (!messages.has(type)) throw new ConfigError(`'${kind}' has a schema for '${type}' but no such message`)
  }
  const behaviours = new Map<string, ReadonlyMap<string, MessageEntry>>()
  for (const [name, handlers] of Object.entries(spec.behaviours ?? {})) {
    behaviours.set(name, resolveMessages(kind, `behaviours.${name}`, handlers, spec.schemas))
  }
  return {
    kind,
    state: spec.state,
    messages,
    behaviours,
    onStart: spec.onStart,
    onStop: spec.onStop,
    onPassivate: spec.onPassivate,
    supervision: resolveSupervision(kind, spec.supervision),
    ...resolveMailbox(kind, spec.mailbox),
    idleTimeoutMs: positive(`idleTimeoutMs of '${kind}'`, spec.idleTimeoutMs ?? Number.POSITIVE_INFINITY),
    turnTimeoutMs: positive(`turnTimeoutMs of '${kind}'`, spec.turnTimeoutMs ?? 60_000),
    retry: resolveRetry(kind, spec.retry),
    handoff: oneOf(`handoff of '${kind}'`, spec.handoff ?? 'move', ['move', 'restart']),
    onStoreLoss: oneOf(`onStoreLoss of '${kind}'`, spec.onStoreLoss ?? 'suspend', ['suspend', 'continue']),
    children: spec.children ?? [],
  }
}

const MAX_KIND_LENGTH = 64
/** Messages of the system itself, to actors: see watching.ts. */
const OWN_MESSAGES = 'cajun:'
/** More than memory holds, and still an integer that needs no boxing: it is compared for each message. */
const UNBOUNDED = 2 ** 31 - 1

/** Kinds are part of store keys, of addresses in logs and of envelopes. */
function checkKind(kind: string): void {
  if (typeof kind !== 'string' || !/^[A-Za-z0-9][A-Za-z0-9._-]*$/.test(kind) || kind.length > MAX_KIND_LENGTH) {
    throw new ConfigError(
      `actor kind '${String(kind)}' is not usable: 1 to ${MAX_KIND_LENGTH} letters, digits, dots, dashes and underscores, beginning with a letter or digit`,
    )
  }
}

function resolveMessages(
  kind: string,
  where: string,
  handlers: AnySpec['messages'],
  schemas: AnySpec['schemas'],
): ReadonlyMap<string, MessageEntry> {
  const messages = new Map<string, MessageEntry>()
  for (const [type, handler] of Object.entries(handlers ?? {})) {
    if (typeof handler !== 'function') {
      throw new ConfigError(`${where}.${type} of '${kind}' is ${typeof handler}; it must be a function (ctx, payload) => reply`)
    }
    if (type.startsWith(OWN_MESSAGES)) {
      throw new ConfigError(`${where}.${type} of '${kind}': names that begin with '${OWN_MESSAGES}' are the system's own; take another one`)
    }
    messages.set(type, { type, handler, schema: schemas?.[type] })
  }
  return messages
}

function resolveMailbox(
  kind: string,
  given: MailboxOptions | undefined,
): { mailboxLimit: number; highWater: number; overflow: OverflowPolicy } {
  const overflow = oneOf(`mailbox.policy of '${kind}'`, given?.policy ?? 'drop-newest', [
    'drop-newest',
    'drop-oldest',
    'reject',
    'unbounded',
  ])
  const limit = overflow === 'unbounded' ? UNBOUNDED : (given?.limit ?? 100_000)
  if (!Number.isInteger(limit) || limit < 1) {
    throw new ConfigError(`mailbox.limit of '${kind}' is ${limit}; it must be a whole number, 1 or more (policy: 'unbounded' for none)`)
  }
  const highWater = given?.highWater ?? (overflow === 'unbounded' ? limit : Math.min(8_192, Math.ceil(limit / 2)))
  if (!Number.isInteger(highWater) || highWater < 1 || highWater > limit) {
    throw new ConfigError(`mailbox.highWater of '${kind}' is ${highWater}; it must be a whole number from 1 to the limit (${limit})`)
  }
  return { mailboxLimit: limit, highWater, overflow }
}

function resolveRetry(kind: string, given: RetryOptions | undefined): ResolvedDefinition['retry'] {
  if (given === undefined) return undefined
  if (!Number.isInteger(given.attempts) || given.attempts < 2) {
    throw new ConfigError(`retry.attempts of '${kind}' is ${given.attempts}; it counts the first attempt too and must be 2 or more`)
  }
  return { attempts: given.attempts, backoff: resolveBackoff(`retry.backoff of '${kind}'`, given.backoff) }
}

function positive(name: string, value: number): number {
  if (checkDuration(name, value) === 0) throw new ConfigError(`${name} is 0; it must be more (Infinity for none)`)
  return value
}

function oneOf<const T extends string>(name: string, value: T, allowed: readonly T[]): T {
  if (!allowed.includes(value)) throw new ConfigError(`${name} is '${String(value)}'; it must be one of ${allowed.join(', ')}`)
  return value
}
