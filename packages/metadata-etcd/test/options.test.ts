// Options of the store on etcd: what is wrong is named, and secrets are not.

import { expect, test } from 'vitest'
import { EtcdMetadataStore } from '../src/index.ts'
import { resolveEtcdOptions } from '../src/options.ts'

test('wrong options are refused by name', () => {
  expect(() => new EtcdMetadataStore({ endpoints: [] })).toThrow(/endpoints is empty/)
  expect(() => new EtcdMetadataStore({ endpoints: ['127.0.0.1:2379'] })).toThrow(/endpoint '127.0.0.1:2379' must be as in/)
  expect(() => new EtcdMetadataStore({ endpoints: ['http://a:1', 'https://b:1'] })).toThrow(/mix http and https/)
  expect(() => new EtcdMetadataStore({ tls: {} })).toThrow(/write https/)
  expect(() => new EtcdMetadataStore({ keepAliveMs: 1 })).toThrow(/keepAliveMs is 1/)
  expect(() => new EtcdMetadataStore({ maxTxnOps: 1 })).toThrow(/maxTxnOps is 1/)
})

test('credentials in an endpoint are refused without repeating them', () => {
  expect(() => resolveEtcdOptions({ endpoints: ['http://me:secret@127.0.0.1:1'] })).toThrow(/auth/)
  expect(() => resolveEtcdOptions({ endpoints: ['http://me:secret@127.0.0.1:1'] })).not.toThrow(/secret/)
})

test('the size of a batch is what the servers were told', () => {
  expect(new EtcdMetadataStore().capabilities).toMatchObject({ fencing: true, linearizable: true, maxBatch: 128 })
  expect(new EtcdMetadataStore({ maxTxnOps: 2_000 }).capabilities.maxBatch).toBe(2_000)
})
