// Options of the store on ZooKeeper: what is wrong is named, and secrets are not.

import { expect, test } from 'vitest'
import { ZooKeeperMetadataStore } from '../src/index.ts'
import { resolveZooKeeperOptions } from '../src/options.ts'

test('wrong options are refused by name', () => {
  expect(() => new ZooKeeperMetadataStore({ endpoints: [] })).toThrow(/endpoints is empty/)
  for (const endpoint of ['127.0.0.1', '127.0.0.1:0', 'a:70000', 'a:1,b:2', 'a:1/chroot', 'http://a:1']) {
    expect(() => new ZooKeeperMetadataStore({ endpoints: [endpoint] }), endpoint).toThrow(/must be as in '127.0.0.1:2181'/)
  }
  for (const root of ['', '/', 'cajun', '/a/', '/a//b', '/../a', '/zookeeper', '/zookeeper/x', `/${'x'.repeat(64)}`]) {
    expect(() => new ZooKeeperMetadataStore({ root }), root).toThrow(/root is/)
  }
  expect(() => new ZooKeeperMetadataStore({ keepAliveMs: 1 })).toThrow(/keepAliveMs is 1/)
  expect(() => new ZooKeeperMetadataStore({ auth: { username: 'a:b', password: 'x' } })).toThrow(/without a colon/)
})

test('secrets are not repeated', () => {
  expect(() => new ZooKeeperMetadataStore({ auth: { username: 'a:b', password: 'secret' } })).not.toThrow(/secret/)
  expect(() => new ZooKeeperMetadataStore({ endpoints: ['me:secret@127.0.0.1:2181'] })).not.toThrow(/secret/)
})

test('addresses of both families are taken apart', () => {
  const { endpoints } = resolveZooKeeperOptions({ endpoints: ['zk-1.example:2181', '[::1]:2182'] })
  expect(endpoints).toEqual([
    { host: 'zk-1.example', port: 2_181 },
    { host: '::1', port: 2_182 },
  ])
})
