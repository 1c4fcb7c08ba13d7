// The types of conversations: what an actor can be sent, and what it replies. Types only; nothing here exists at run time.

import type { Guarantee } from '../delivery/guarantee.ts'

/** Message name -> (payload) => reply. Written by hand for contract-first actors, inferred from the handlers otherwise. */
export type Protocol = object

/** The protocol of an actor whose definition is not known here: any message, any payload. */
export type AnyProtocol = Record<string, (payload?: any) => any>

export type MessageName<P extends Protocol> = Extract<keyof P, string>

type Call<P extends Protocol, T extends keyof P> = P[T] extends (...payload: infer A) => infer R
  ? { readonly payload: A; readonly reply: R }
  : never

/** What the handler of `T` returns, awaited. */
export type Reply<P extends Protocol, T extends keyof P> = Awaited<Call<P, T>['reply']>

/** What `T` takes as payload; `undefined` for a message without one. */
export type Payload<P extends Protocol, T extends keyof P> = Call<P, T>['payload'] extends readonly []
  ? undefined
  : Call<P, T>['payload'][0]

/** What stands behind the message name in `tell`, `send` and `ask`: the payload, unless there is none, and the options third. */
export type MessageArguments<P extends Protocol, T extends keyof P> = Call<P, T>['payload'] extends readonly []
  ? [payload?: undefined, options?: SendOptions]
  : undefined extends Call<P, T>['payload'][0]
    ? [payload?: Call<P, T>['payload'][0], options?: SendOptions]
    : [payload: Call<P, T>['payload'][0], options?: SendOptions]

/** How one message is to be delivered. Preset them with `ref.with(options)`. */
export interface SendOptions {
  /** Default: the system's `defaultGuarantee`, which is `exactly-once` by default. Within one process all three mean the same. */
  readonly guarantee?: Guarantee | undefined
  /** Milliseconds until the message (tell, send) or the reply (ask) is given up. Default 60,000 for tell and send, 10,000 for ask. */
  readonly timeoutMs?: number | undefined
  /** Ends the message early: a send or ask rejects with `NotExecutedError` or `DeliveryUnknownError` of reason `aborted`. */
  readonly signal?: AbortSignal | undefined
}
