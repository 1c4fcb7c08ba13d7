// What can stand in a mailbox besides plain messages (a type, a payload, a sender) and `Message` objects.

import type { Message } from '../delivery/message.ts'
import type { ActorAddress } from '../messaging/address.ts'
import { ActorTimer } from './timers.ts'

/** A message that has begun before: it was stashed, or its handler threw and is to be tried again. `begin` is not called a second time. */
export class Begun {
  /** Absent for a plain local message. */
  readonly message: Message | undefined
  readonly type: string
  readonly payload: unknown
  readonly sender: ActorAddress | undefined
  messageId: string | undefined
  /** Handler runs that have failed. */
  attempts = 0
  /** Whoever delivered it has been told that it is kept as state. */
  isStashed = false

  constructor(
    message: Message | undefined,
    type: string,
    payload: unknown,
    sender: ActorAddress | undefined,
    messageId: string | undefined,
  ) {
    this.message = message
    this.type = type
    this.payload = payload
    this.sender = sender
    this.messageId = messageId
  }
}

/** A message for a child, in the mailbox of its top-level actor, because only the activation of that brings the child to life. */
export class ChildBound {
  readonly path: string
  readonly message: Message

  constructor(path: string, message: Message) {
    this.path = path
    this.message = message
  }
}

/** A message that somebody delivers, and that has not begun. */
export function isMessage(head: unknown): head is Message {
  return (
    typeof head === 'object' && head !== null && !(head instanceof Begun) && !(head instanceof ActorTimer) && !(head instanceof ChildBound)
  )
}

/** The message behind what stands in a mailbox, or is in hand. Undefined for what has none: plain local ones, timers. */
export function messageOf(head: unknown): Message | undefined {
  if (typeof head !== 'object' || head === null) return undefined
  if (head instanceof Begun) return head.message
  return head instanceof ActorTimer ? undefined : (head as Message)
}
