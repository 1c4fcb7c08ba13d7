// Where a tenure's messages go to become turns: implemented by whoever owns the mailboxes (in a cluster: the tenure's ActorTable).

import type { Message } from './message.ts'

export interface TurnSink {
  /** `false`: the mailbox is full (or closing) and the message was not taken; it is offered again after `Tenure.room(id)`. */
  deliver(id: string, path: string | undefined, message: Message): boolean
}
