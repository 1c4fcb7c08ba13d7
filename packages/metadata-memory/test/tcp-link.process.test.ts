// The client's connection breaks in ways that the contract's harness does not make: in mid-request, and without anybody being told.

import { CutProxy } from '@cajun/fault-proxy'
import { describe, expect, test } from 'vitest'
import { MemoryMetadataServer, MemoryMetadataStore, type MemoryMetadataStoreOptions } from '../src/index.ts'

async function proxied(options: MemoryMetadataStoreOptions = {}) {
  const server = await MemoryMetadataServer.start()
  const proxy = await CutProxy.start(Number(new URL(server.url).port))
  const store = new MemoryMetadataStore({ ...options, url: `tcp://127.0.0.1:${proxy.port}` })
  await store.open()
  return {
    server,
    proxy,
    store,
    async [Symbol.asyncDispose]() {
      await store.close()
      await proxy[Symbol.asyncDispose]()
      await server.close()
    },
  }
}

async function until(withinMs: number, check: () => boolean): Promise<number> {
  const startedAt = performance.now()
  while (!check()) {
    if (performance.now() - startedAt > withinMs) throw new Error(`not so after ${withinMs} ms`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  return performance.now() - startedAt
}

describe('a connection that breaks', () => {
  test('in mid-request ends conditional writes at once, and reads are asked again on the next one', async () => {
    await using scene = await proxied({ timeoutMs: 20_000 })
    const { proxy, server, store } = scene
    proxy.isolate('answers')
    const write = store.put('k', 'x', { ifVersion: null }).catch((error) => error.code)
    const read = store.get('k')
    const startedAt = performance.now()
    while (server.database.execute({ op: 'get', key: 'k' }) === null) await new Promise((resolve) => setTimeout(resolve, 2))
    proxy.heal()
    expect(await write).toBe('UNKNOWN_OUTCOME')
    expect(await read).toMatchObject({ value: 'x' })
    expect(performance.now() - startedAt).toBeLessThan(3_000)
  })

  test('without a word is found by its silence: watches, reads and the session go on', async () => {
    await using scene = await proxied({ timeoutMs: 5_000, keepAliveMs: 200 })
    const { proxy, server, store } = scene
    let seen: string | undefined
    await using _watch = await store.watch('k', (event) => {
      if (event.type === 'snapshot') seen = event.entries[0]?.value
      else for (const change of event.changes) seen = change.type === 'put' ? change.entry.value : undefined
    })
    await using session = await store.openSession({ ttlMs: 3_000 })
    proxy.strand()
    server.database.execute({ op: 'put', key: 'k', value: 'unheard' })
    await until(2_500, () => seen === 'unheard')
    server.database.execute({ op: 'put', key: 'k', value: 'heard' })
    await until(1_000, () => seen === 'heard')
    expect(await store.get('k')).toMatchObject({ value: 'heard' })
    await new Promise((resolve) => setTimeout(resolve, 3_000))
    expect(session.lost.aborted).toBe(false)
  })

  test('again and again loses no change and no session', async () => {
    await using scene = await proxied({ timeoutMs: 5_000 })
    const { proxy, server, store } = scene
    const state = new Map<string, string>()
    await using _watch = await store.watch('k/', (event) => {
      if (event.type === 'snapshot') state.clear()
      const puts =
        event.type === 'snapshot' ? event.entries : event.changes.flatMap((change) => (change.type === 'put' ? [change.entry] : []))
      for (const entry of puts) state.set(entry.key, entry.value)
      if (event.type === 'changes') for (const change of event.changes) if (change.type === 'delete') state.delete(change.key)
    })
    await using session = await store.openSession({ ttlMs: 2_000 })
    for (let round = 0; round < 60; round++) {
      server.database.execute({ op: 'put', key: `k/${round % 5}`, value: `${round}` })
      if (round % 4 === 0) server.database.execute({ op: 'delete', key: `k/${(round + 2) % 5}` })
      if (round % 3 === 0) proxy.reset()
      await store.put(`k/mine`, `${round}`)
      await new Promise((resolve) => setTimeout(resolve, round % 7))
    }
    const expected = new Map(server.database.execute({ op: 'list', prefix: 'k/' }).map((entry) => [entry.key, entry.value]))
    await until(2_000, () => JSON.stringify([...state].sort()) === JSON.stringify([...expected].sort()))
    expect(session.lost.aborted).toBe(false)
  })
})
