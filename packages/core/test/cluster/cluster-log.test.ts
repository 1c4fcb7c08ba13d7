import { describe, expect, it } from 'vitest'
import { ClusterEvents } from '../../src/cluster/cluster-events.ts'
import { ClusterLog } from '../../src/cluster/cluster-log.ts'
import { ProtocolError, TransportError } from '../../src/errors.ts'
import { ManualRuntime } from '../support/manual-runtime.ts'

function open() {
  const lines: string[] = []
  const at = (level: string) => (message: string, fields?: object) =>
    void lines.push(`${level}: ${message}${fields === undefined ? '' : ` ${JSON.stringify(fields)}`}`)
  const runtime = new ManualRuntime()
  const log = new ClusterLog({ debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }, runtime)
  const taken = () => lines.splice(0)
  return { log, runtime, taken }
}

const peer = { nodeId: 'b', processId: 'p1' }
const refused = (n: number) => new TransportError(`can't connect to node 'b' at 10.0.0.7:80: attempt ${n}`)

describe('the log of a cluster', () => {
  it('tells a failure of a background task once, and once a minute how often it was repeated', () => {
    const { log, runtime, taken } = open()
    for (let i = 0; i < 50; i++) log.problem('the leader could not write', new Error('no answer'))
    expect(taken()).toEqual(['warn: the leader could not write {"error":"no answer"}'])
    log.problem('the leader could not write', new Error('another cause'))
    expect(taken()).toEqual(['warn: the leader could not write {"error":"another cause"}'])
    runtime.advance(60_000)
    log.problem('the leader could not write', new Error('no answer'))
    expect(taken()).toEqual(['warn: the leader could not write {"error":"no answer","repeated":49}'])
  })

  it('remembers a bounded number of problems', () => {
    const { log, taken } = open()
    for (let i = 0; i < 10_000; i++) log.problem('x', new Error(String(i)))
    expect(taken()).toHaveLength(10_000)
  })

  it('says of a registered node once that it is not reached, and once that it is again', () => {
    const { log, taken } = open()
    for (let i = 1; i <= 9; i++) log.transportFailed(refused(i), peer, true)
    expect(taken().filter((line) => !line.startsWith('debug'))).toEqual([
      `warn: node 'b' can't be reached; it is tried again {"error":"can't connect to node 'b' at 10.0.0.7:80: attempt 1"}`,
    ])
    log.peerUp(peer)
    log.peerUp(peer)
    expect(taken()).toEqual([`warn: node 'b' is reached again`])
    log.transportFailed(refused(1), peer, true)
    expect(taken()[0]).toMatch(/^warn/)
  })

  it('bothers nobody with a node that is not registered any more', () => {
    const { log, taken } = open()
    log.transportFailed(refused(1), peer, false)
    log.peerUp(peer)
    expect(taken().filter((line) => !line.startsWith('debug'))).toEqual([])
  })

  it('keeps bytes that break the protocol apart from connections that fail', () => {
    const { log, taken } = open()
    log.transportFailed(new ProtocolError('frame has an unknown item 99'), peer, true)
    log.transportFailed(new TransportError('listening on 127.0.0.1: EMFILE'), undefined, false)
    expect(taken()).toEqual([
      `warn: node 'b' sent what the protocol does not know; its connection is closed {"error":"frame has an unknown item 99"}`,
      'warn: the messaging system met an error {"error":"listening on 127.0.0.1: EMFILE"}',
    ])
  })

  it('tells of the end of an outage as loudly as of its beginning', () => {
    const { log, runtime, taken } = open()
    const events = new ClusterEvents(() => {})
    log.follow(events)
    events.emit('resumed', { incarnation: '1' })
    events.emit('node-joined', { nodeId: 'b', processId: 'p1', incarnation: '1' })
    events.emit('store-lost', { error: new Error('no answer') })
    events.emit('suspended', { incarnation: '1', reason: 'not renewed in time' })
    runtime.advance(2_000)
    events.emit('store-regained', { afterMs: 2_500.4 })
    events.emit('resumed', { incarnation: '2' })
    events.emit('leader-changed', { nodeId: undefined, processId: undefined })
    expect(taken()).toEqual([
      `info: node 'b' joined {"processId":"p1"}`,
      'warn: the metadata store does not answer: routing goes on, nobody can be appointed {"error":"no answer"}',
      'warn: the session is over; actors are suspended until this node is registered again {"reason":"not renewed in time"}',
      'warn: the metadata store answers again {"afterMs":2500}',
      'warn: this node is registered again {"afterMs":2000}',
      'info: nobody leads',
    ])
  })
})
