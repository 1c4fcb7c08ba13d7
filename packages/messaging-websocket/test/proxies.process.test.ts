// TLS that is not the transport's own: on a server that is somebody else's, and at a proxy that ends it.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createServer as createTlsServer, getCACertificates, setDefaultCACertificates } from 'node:tls'
import { type Authority, type Certificate, issueCertificate, issueNodeCertificate, openAuthority } from '@cajun/certificates'
import type { MessagingHandler } from '@cajun/core/adapter'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { WebSocketMessagingSystem } from '../src/index.ts'

const secrets = [{ id: 'k1', secret: 'a secret that is for tests alone' }]
const timing = { reconnect: { minDelayMs: 10, maxDelayMs: 50 } }
let folder: string
let authority: Authority
let nodes: Record<'a' | 'b', Certificate>
let proxy: Certificate

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cajun-proxies-'))
  authority = await openAuthority(folder)
  nodes = { a: await issueNodeCertificate(authority, 'c', 'a'), b: await issueNodeCertificate(authority, 'c', 'b') }
  proxy = await issueCertificate(authority, 'proxy', { hosts: ['localhost'] })
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

type Options = ConstructorParameters<typeof WebSocketMessagingSystem>[0]

async function started(nodeId: 'a' | 'b', options: Options) {
  const system = new WebSocketMessagingSystem({ secrets, ...timing, ...options })
  const news: string[] = []
  const errors: string[] = []
  const handler: MessagingHandler = {
    onPeerUp: (peer) => news.push(`up ${peer.processId}`),
    onPeerDown: (peer) => news.push(`down ${peer.processId}`),
    onFrame: () => {},
    onDrain: () => {},
    onError: (error) => errors.push(error.message),
  }
  const { address } = await system.start({ clusterId: 'c', nodeId, processId: `${nodeId}-1` }, handler)
  return { system, news, errors, peer: { nodeId, processId: `${nodeId}-1`, address }, [Symbol.asyncDispose]: () => system.stop() }
}

function tlsOf(nodeId: 'a' | 'b') {
  return { caFile: authority.caFile, ...nodes[nodeId] }
}

function pemOf({ certFile, keyFile }: Certificate) {
  return { ca: readFileSync(authority.caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) }
}

async function listening<S extends Server>(server: S) {
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve)
  })
  return { server, port: (server.address() as AddressInfo).port, [Symbol.asyncDispose]: async () => void server.close() }
}

describe('a server of node:https that is somebody else’s', () => {
  test('lets nodes meet with TLS when it asks for certificates', async () => {
    await using shared = await listening(createSecureServer({ ...pemOf(nodes.b), requestCert: true, rejectUnauthorized: false }))
    await using b = await started('b', { server: shared.server, tls: tlsOf('b') })
    expect(b.peer.address).toBe(`wss://127.0.0.1:${shared.port}/cajun`)
    await using a = await started('a', { port: 0, tls: tlsOf('a') })
    a.system.connect(b.peer)
    await vi.waitFor(() => expect([a.news, b.news]).toEqual([['up b-1'], ['up a-1']]), 5_000)
  })

  test('lets nobody in when it does not', async () => {
    await using shared = await listening(createSecureServer(pemOf(nodes.b)))
    await using b = await started('b', { server: shared.server, tls: tlsOf('b') })
    await using a = await started('a', { port: 0, tls: tlsOf('a') })
    a.system.connect(b.peer)
    await vi.waitFor(() => expect(b.errors.join()).toContain('the certificate is of no node'), 5_000)
    expect([a.news, b.news]).toEqual([[], []])
  })

  test('is required with tls', async () => {
    await using shared = await listening(createServer())
    await expect(started('b', { server: shared.server, tls: tlsOf('b') })).rejects.toThrow('it must be one of node:https')
  })
})

describe('a proxy that ends TLS', () => {
  /** In front of `target`. */
  function ending(certificate: Certificate, target: string) {
    return listening(
      createTlsServer(pemOf(certificate), (outer) => {
        const inner = connect({ host: '127.0.0.1', port: Number(new URL(target).port) })
        outer.pipe(inner).pipe(outer)
        for (const socket of [outer, inner]) socket.on('error', () => {})
      }),
    )
  }

  async function trusting<T>(work: () => Promise<T>): Promise<T> {
    const usual = getCACertificates('default')
    setDefaultCACertificates([...usual, readFileSync(authority.caFile, 'utf8')])
    try {
      return await work()
    } finally {
      setDefaultCACertificates(usual)
    }
  }

  test('is verified as any web server, and nodes still prove their secret through it', async () => {
    await trusting(async () => {
      await using b = await started('b', { port: 0 })
      await using front = await ending(proxy, b.peer.address)
      await using a = await started('a', { port: 0 })
      a.system.connect({ ...b.peer, address: `wss://localhost:${front.port}/cajun` })
      await vi.waitFor(() => expect([a.news, b.news]).toEqual([['up b-1'], ['up a-1']]), 5_000)
    })
  })

  test('is refused with a certificate of another host', async () => {
    await trusting(async () => {
      await using b = await started('b', { port: 0 })
      await using front = await ending(nodes.b, b.peer.address)
      await using a = await started('a', { port: 0 })
      a.system.connect({ ...b.peer, address: `wss://localhost:${front.port}/cajun` })
      await vi.waitFor(() => expect(a.errors.join()).toMatch(/does not match certificate/), 5_000)
      expect(b.news).toEqual([])
    })
  })

  test('is refused with tls: its certificate is of no node', async () => {
    await using b = await started('b', { port: 0 })
    await using front = await ending(proxy, b.peer.address)
    await using a = await started('a', { port: 0, tls: tlsOf('a') })
    a.system.connect({ ...b.peer, address: `wss://127.0.0.1:${front.port}/cajun` })
    await vi.waitFor(() => expect(a.errors.join()).toContain('the certificate is of no node'), 5_000)
    expect(b.news).toEqual([])
  })
})
