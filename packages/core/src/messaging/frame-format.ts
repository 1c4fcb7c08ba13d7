// The frame: what two processes exchange over a link. Numbers and flags of the wire; `frame-writer.ts` and `frame-reader.ts` do the work.
// Documented for people in apps/docs/wire-format.md. Gotcha: everything here is on the wire; change it only with a new protocol version (`protocol-version.ts`), which is the first byte of a frame.
//
//  0      1      2          6          10         16         22         28         34
//  +------+------+----------+----------+----------+----------+----------+----------+----- - -
//  | ver  | flags| from     | to       | seq      | receipt  | floor    | base id  | items …
//  +------+------+----------+----------+----------+----------+----------+----------+----- - -
//    u8     u8     u32        u32        u48        u48        u48        u48        little endian
//
//  from, to   link ids: the sender's, and the receiver's as the sender knows it (0: not yet). Anything else than the present pair is stale.
//  seq        NUMBERED: this frame's number, from 1. Otherwise: the last number that was handed to the transport.
//  receipt    every number up to it was taken, in order.
//  floor      every message id up to it is finished at the source.
//  base id    the id before the first message of this frame (messages carry differences).
//
// Items fill the rest of a numbered frame; the others (hello, probe, lone receipt) are a header alone.
// `n` is a LEB128 varint, `z` a zigzag varint, `text` is n bytes of UTF-8 after their count, `payload` a u24 length and the bytes of payload-codec.ts.
//
//  0x80 | flags   MESSAGE   [extra u8] [id z: difference to the previous message's] [actor n] [name n (0: text follows)]
//                           [deadline n: ms left, 0 none] [sender: kind text, id text, path n+1 text or 0] [chain: n texts] payload
//  0x01           ACKS      epoch n, count n, count x (distance n from the previous run's end, length n): ids whose turns ended
//  0x02           OUTCOME   epoch n, id n, outcome u8, payload: a reply, or how a message ended otherwise
//  0x03           MOVED     actor n, epoch n it was sent under, epoch n of the owner, u8 owner known?, [node text, process text]
//  0x04           CREDIT    n: cost of all messages read so far on this link
//  0x05           ACTOR     actor n, epoch n, kind name n, id text, path n+1 text or 0: gives a number to an actor
//  0x06           NAME      name n, text: gives a number to a kind or message type
//  0x07           EPOCH     actor n, epoch n: messages to this actor are from now on under this epoch
//  0x08           CONTROL   number n, length u32, body: traffic of the cluster itself
//  0x09           CONTROL_RECEIPT  number n: control up to it was taken
//
// Any item with VOID set is skipped: it was withdrawn before it left (its sender was fenced, or its deadline passed).
// A message without EXTRA_DEADLINE has the deadline of the message before it in the frame (the first: none).

export const HEADER_BYTES = 34
export const SLAB_BYTES: number = 64 * 1024
/** Of a link's first slab, which grows to its full size as it is used. */
export const FIRST_SLAB_BYTES = 1024

export const FLAG_NUMBERED = 1
/** First frame after each connection, until answered: who am I, whom do I know, what have I seen. */
export const FLAG_HELLO = 2
/** Answer at once. */
export const FLAG_ASK = 4
/** Frames after `receipt` are missing: send them again. */
export const FLAG_GAP = 8

export const ITEM_MESSAGE = 0x80
export const ITEM_VOID = 0x40
export const ITEM_ACKS = 1
export const ITEM_OUTCOME = 2
export const ITEM_MOVED = 3
export const ITEM_CREDIT = 4
export const ITEM_ACTOR = 5
export const ITEM_NAME = 6
export const ITEM_EPOCH = 7
export const ITEM_CONTROL = 8
export const ITEM_CONTROL_RECEIPT = 9

export const MESSAGE_RELIABLE = 0x01
export const MESSAGE_ASK = 0x02
export const MESSAGE_SAME_ACTOR = 0x04
export const MESSAGE_SAME_NAME = 0x08
export const MESSAGE_EXTRA = 0x10
export const MESSAGE_NEXT_ID = 0x20

export const EXTRA_DEADLINE = 1
export const EXTRA_SENDER = 2
export const EXTRA_CHAIN = 4
/** A reminder of an ask that the owner stashed: it must not run again. */
export const EXTRA_STASHED = 8

/** Its owner died, and it may have been in hand: it starts only when its sender knows that it is about to. */
export const EXTRA_SUSPECT = 16
/** With EXTRA_SUSPECT: the next death is its last, so it starts while no other suspect is in hand. */
export const EXTRA_ALONE = 32

export const OUTCOME_HANDLED = 0
export const OUTCOME_FAILED = 1
export const OUTCOME_REFUSED = 2
export const OUTCOME_UNKNOWN = 3
export const OUTCOME_STASHED = 4
/** No end either: the turn of a suspect is about to start. */
export const OUTCOME_BEGUN = 5

/** What a message costs in credit: its payload, and what it takes to hold it. */
export function creditCost(payloadBytes: number): number {
  return payloadBytes + 64
}
