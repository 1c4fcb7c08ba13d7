// A transport by itself: frames from one process to another, without anything of core.

import type { MessagingHandler } from '@cajun/core/adapter'
import { CLUSTER_ID, type RemoteSubject } from '../subject.ts'
import { openTransport } from '../transports.ts'

const identity = (nodeId: string): { clusterId: string; nodeId: string; processId: string } => ({
  clusterId: CLUSTER_ID,
  nodeId,
  processId: nodeId,
})
const nothing: MessagingHandler = { onFrame() {}, onPeerUp() {}, onPeerDown() {}, onDrain() {} }

export const subject: RemoteSubject = {
  async receive(setUp, hit) {
    const transport = await openTransport(setUp, 'receiver')
    const { address } = await transport.start(identity('receiver'), { ...nothing, onFrame: (_peer, frame) => hit(frame.byteLength) })
    return { address }
  },

  async send(setUp) {
    const transport = await openTransport(setUp, 'sender')
    const up = Promise.withResolvers<void>()
    let drained: () => void = () => {}
    await transport.start(identity('sender'), { ...nothing, onPeerUp: () => up.resolve(), onDrain: () => drained() })
    transport.connect({ ...identity('receiver'), address: (setUp.contact as { address: string }).address })
    await up.promise
    return async (work) => {
      if (work.do !== 'frames') throw new Error(`a transport has no '${work.do}'`)
      const frame = new Uint8Array(work.bytes).fill(7)
      const frames = work.count / work.bytes
      for (let sent = 0; sent < frames; sent++) {
        // The frame for which it says false was taken.
        if (transport.send('receiver', frame) || sent === frames - 1) continue
        await new Promise<void>((resolve) => {
          drained = resolve
        })
      }
      return undefined
    }
  },
}
