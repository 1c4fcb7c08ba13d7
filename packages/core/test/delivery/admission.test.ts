// Who may add a message to the outbox, who waits for room and who is told to slow down, under random events.

import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { Admission } from '../../src/delivery/admission.ts'
import { DEFAULT_DELIVERY_LIMITS } from '../../src/delivery/delivery-limits.ts'
import type { OutEntry } from '../../src/delivery/out-entry.ts'
import type { Outbox } from '../../src/delivery/outbox.ts'
import type { Peer } from '../../src/delivery/peer.ts'
import type { ActorAddress } from '../../src/messaging/address.ts'

const LIMITS = { ...DEFAULT_DELIVERY_LIMITS, outboxMessages: 5, outboxBytes: 60, outboxMessagesPerPeer: 3, outboxBytesPerPeer: 40 }

interface Message {
  readonly serial: number
  readonly cost: number
  readonly stream: ActorAddress & { readonly peer: Counts | undefined }
  isEnded: boolean
}

interface Counts {
  outCount: number
  outBytes: number
}

const event = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      do: fc.constant('send' as const),
      to: fc.constantFrom(0, 1, undefined),
      cost: fc.oneof(fc.integer({ min: 1, max: 3 }), fc.integer({ min: 1, max: 30 })),
    }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('end' as const), which: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('give-up' as const), which: fc.nat() }) },
  { weight: 2, arbitrary: fc.constant({ do: 'admit' as const }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant('ready' as const), to: fc.constantFrom(0, 1, undefined) }) },
)

describe('admission', () => {
  it('keeps the order of callers for each peer, exceeds no bound, and leaves nobody waiting where there is room', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(event, { minLength: 10, maxLength: 120 }), async (events) => {
        const peers: Counts[] = [
          { outCount: 0, outBytes: 0 },
          { outCount: 0, outBytes: 0 },
        ]
        const outbox = { count: 0, bytes: 0 }
        const admission = new Admission(LIMITS, outbox as unknown as Outbox)
        const inOutbox: Message[] = []
        let waiting: Message[] = []
        /** Callers of `ready` and for whom, until they were told. */
        const slow = new Set<{ readonly peer: Counts | undefined }>()
        const lastAdmitted = new Map<Counts | undefined, number>()
        let serial = 0
        const hasRoom = (peer: Counts | undefined): boolean =>
          outbox.count < LIMITS.outboxMessages &&
          outbox.bytes < LIMITS.outboxBytes &&
          (peer === undefined || (peer.outCount < LIMITS.outboxMessagesPerPeer && peer.outBytes < LIMITS.outboxBytesPerPeer))
        const submit = (message: Message): void => {
          const { peer } = message.stream
          expect(hasRoom(peer)).toBe(true)
          expect(message.serial).toBeGreaterThan(lastAdmitted.get(peer) ?? -1)
          lastAdmitted.set(peer, message.serial)
          inOutbox.push(message)
          outbox.count++
          outbox.bytes += message.cost
          if (peer === undefined) return
          peer.outCount++
          peer.outBytes += message.cost
        }
        const finish = (message: Message): void => {
          message.isEnded = true
          inOutbox.splice(inOutbox.indexOf(message), 1)
          outbox.count--
          outbox.bytes -= message.cost
          const { peer } = message.stream
          if (peer === undefined) return
          peer.outCount--
          peer.outBytes -= message.cost
        }
        const admit = (): void => {
          admission.admit(
            () => {},
            (entry) => {
              const message = entry as unknown as Message
              expect(message.isEnded).toBe(false)
              waiting = waiting.filter((each) => each !== message)
              submit(message)
            },
          )
          waiting = waiting.filter((message) => !message.isEnded)
        }
        for (const event of events) {
          if (event.do === 'send') {
            const peer = event.to === undefined ? undefined : peers[event.to]
            const message: Message = {
              serial: serial++,
              cost: event.cost,
              stream: { kind: 'k', id: `of ${event.to}`, path: undefined, peer },
              isEnded: false,
            }
            const admits = admission.admits(peer as unknown as Peer, message.stream)
            // Not past whoever came before for the same peer.
            const someoneBefore = waiting.some((each) => each.stream.peer === peer)
            expect(admits).toBe(hasRoom(peer) && !someoneBefore)
            if (admits) submit(message)
            else {
              const held = waiting.reduce((sum, each) => sum + each.cost, 0)
              const may = waiting.length < LIMITS.outboxMessages && held + event.cost <= LIMITS.outboxBytes
              expect(admission.wait(message as unknown as OutEntry)).toBe(may)
              if (may) waiting.push(message)
            }
          } else if (event.do === 'end' && inOutbox.length > 0) {
            finish(inOutbox[event.which % inOutbox.length] as Message)
          } else if (event.do === 'give-up' && waiting.length > 0) {
            // Its deadline passed: it is found when callers are admitted next.
            const message = waiting[event.which % waiting.length] as Message
            message.isEnded = true
          } else if (event.do === 'admit') {
            admit()
            // Whoever waits first for a peer waits because there is no room for it.
            for (const peer of new Set(waiting.map((message) => message.stream.peer))) expect(hasRoom(peer)).toBe(false)
          } else if (event.do === 'ready') {
            const asked = { peer: event.to === undefined ? undefined : peers[event.to] }
            slow.add(asked)
            void admission.ready(asked.peer as unknown as Peer).then(() => slow.delete(asked))
          }
          await Promise.resolve()
          await Promise.resolve()
          expect(admission.callerCount).toBe(waiting.length)
          expect(admission.callerBytes).toBe(waiting.reduce((sum, each) => sum + each.cost, 0))
          expect(admission.hasCallers).toBe(waiting.length > 0 || slow.size > 0)
        }
        // Callers are admitted after every end, and end in their turn: once for each message, and once for an end in the events above.
        for (let left = inOutbox.length + waiting.length; left >= 0; left--) {
          if (inOutbox.length > 0) finish(inOutbox[0] as Message)
          admit()
          await Promise.resolve()
          await Promise.resolve()
        }
        // Whatever was full has emptied: nobody was forgotten.
        expect([waiting, [...slow], admission.hasCallers, outbox]).toEqual([[], [], false, { count: 0, bytes: 0 }])
      }),
      { numRuns: 200 },
    )
  })
})
