import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { inboxPrefix, inboxTopic } from '../src/inbox-topic.ts'

const id = fc.stringMatching(/^[A-Za-z0-9._:@-]{1,40}$/)

describe('the name of an inbox', () => {
  test('is cluster and node, readable where they are plain', () => {
    expect(inboxTopic('shop', 'node-1')).toBe('cajun.shop.node-1')
    expect(inboxTopic('a.b', 'n_1@host:80')).toBe('cajun.a_2eb.n_5f1_40host_3a80')
  })

  test('is a name that Kafka allows, and no other node has it', () => {
    fc.assert(
      fc.property(id, id, id, id, (cluster, node, otherCluster, otherNode) => {
        const topic = inboxTopic(cluster, node)
        expect(topic).toMatch(/^[A-Za-z0-9._-]{1,249}$/)
        expect(topic.startsWith(inboxPrefix(cluster))).toBe(true)
        if (cluster !== otherCluster || node !== otherNode) expect(inboxTopic(otherCluster, otherNode)).not.toBe(topic)
        if (cluster !== otherCluster) expect(topic.startsWith(inboxPrefix(otherCluster))).toBe(false)
      }),
    )
  })

  test('that would be too long is refused, and says which ids to shorten', () => {
    expect(() => inboxTopic('c'.repeat(128), '_'.repeat(60))).toThrow(/node '_+' in cluster 'c+'.*249/)
  })
})
