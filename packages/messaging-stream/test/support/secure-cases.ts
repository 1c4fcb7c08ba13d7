// What transports with TLS and a shared secret do between real sockets, and what strangers get.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { copyFile, writeFile } from 'node:fs/promises'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type ConnectionOptions,
  createServer as createSecureServer,
  connect as secureConnect,
  type TLSSocket,
  type TlsOptions,
} from 'node:tls'
import { type Authority, type Certificate, issueNodeCertificate, openAuthority } from '@cajun/certificates'
import type { MessagingHandler, MessagingSystem } from '@cajun/core/adapter'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { StreamMessagingOptions } from '../../src/index.ts'
import { knock, upgradeAnswer } from './knocking.ts'

export interface SecureCasesOptions {
  readonly name: string
  readonly make: (options: StreamMessagingOptions) => MessagingSystem & { reloadCertificates(): Promise<void> }
  /** Of an address as `start` returns it. */
  readonly portOf: (address: string) => number
  /** The transport's form of `host:port` with TLS, and without. */
  readonly addressOf: (hostPort: string, secure: boolean) => string
}

export const secrets = [{ id: 'k1', secret: 'a secret that is for tests alone' }]

class Recorder implements MessagingHandler {
  readonly news: string[] = []
  readonly errors: Error[] = []
  frames = 0

  onPeerUp(peer: { processId: string }): void {
    this.news.push(`up ${peer.processId}`)
  }

  onPeerDown(peer: { processId: string }): void {
    this.news.push(`down ${peer.processId}`)
  }

  onFrame(): void {
    this.frames++
  }

  onDrain(): void {}

  onError(error: Error): void {
    this.errors.push(error)
  }

  get text(): string {
    return this.errors.map((error) => error.message).join('\n')
  }
}

/** Registers them with vitest. */
export function secureCases({ name, make, portOf, addressOf }: SecureCasesOptions): void {
  let folder: string
  let authority: Authority
  let otherAuthority: Authority
  const certificates = new Map<string, Certificate>()
  const quick = { reconnect: { minDelayMs: 10, maxDelayMs: 50 }, closeTimeoutMs: 200 }

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'cajun-secure-'))
    authority = await openAuthority(join(folder, 'ours'))
    otherAuthority = await openAuthority(join(folder, 'theirs'))
    const issue = async (as: string, ca: Authority, clusterId: string, nodeId: string, days = 1): Promise<void> => {
      const made = await issueNodeCertificate(ca, clusterId, nodeId, { days })
      const kept = { certFile: join(folder, `${as}.pem`), keyFile: join(folder, `${as}-key.pem`) }
      await copyFile(made.certFile, kept.certFile)
      await copyFile(made.keyFile, kept.keyFile)
      certificates.set(as, kept)
    }
    await issue('a', authority, 'c', 'a')
    await issue('a again', authority, 'c', 'a')
    await issue('b', authority, 'c', 'b')
    await issue('a of another cluster', authority, 'd', 'a')
    await issue('a expired', authority, 'c', 'a', -1)
    await issue('a of another authority', otherAuthority, 'c', 'a')
    await issue('b of another authority', otherAuthority, 'c', 'b')
    await issue('b expired', authority, 'c', 'b', -1)
  }, 60_000)

  afterAll(() => rmSync(folder, { recursive: true, force: true }))

  function filesOf(certificate: string, ca = authority): { caFile: string } & Certificate {
    return { caFile: ca.caFile, ...(certificates.get(certificate) as Certificate) }
  }

  function pemOf(certificate: string): ConnectionOptions {
    const { certFile, keyFile } = certificates.get(certificate) as Certificate
    return { ca: readFileSync(authority.caFile), cert: readFileSync(certFile), key: readFileSync(keyFile) }
  }

  async function started(
    nodeId: string,
    options: Partial<StreamMessagingOptions> = {},
    processId = `${nodeId}-1`,
    isCurrent?: MessagingHandler['isCurrent'],
  ) {
    const system = make({ port: 0, tls: filesOf(nodeId), secrets, ...quick, ...options })
    const recorder = new Recorder()
    const { address } = await system.start(
      { clusterId: 'c', nodeId, processId },
      isCurrent === undefined ? recorder : Object.assign(recorder, { isCurrent }),
    )
    return { system, recorder, peer: { nodeId, processId, address }, port: portOf(address), [Symbol.asyncDispose]: () => system.stop() }
  }

  /** A bare client; resolves with how long it took until it was put out, and how many bytes it got. */
  function stranger(open: () => Socket, talk: (socket: Socket) => void): Promise<{ ms: number; bytes: number }> {
    const startMs = performance.now()
    let bytes = 0
    return new Promise((resolve) => {
      const socket = open()
      socket.on('error', () => {})
      socket.on('data', (chunk) => {
        bytes += chunk.byteLength
      })
      socket.on('close', () => resolve({ ms: performance.now() - startMs, bytes }))
      talk(socket)
    })
  }

  describe(`${name} with TLS and a shared secret`, () => {
    test('nodes meet, over every interface if they like, and frames of every size arrive', async () => {
      await using a = await started('a', { host: '0.0.0.0', advertise: '127.0.0.1' })
      await using b = await started('b')
      b.system.connect(a.peer)
      await vi.waitFor(() => expect([a.recorder.news, b.recorder.news]).toEqual([['up b-1'], ['up a-1']]), 5_000)
      for (const bytes of [1, 5_000, 300_000, 4_194_304]) expect(b.system.send('a', new Uint8Array(bytes))).toBe(bytes < 1_048_576)
      await vi.waitFor(() => expect(a.recorder.frames).toBe(4), 5_000)
      expect(await a.system.ping('b')).toBeGreaterThan(0)
      expect([a.recorder.text, b.recorder.text]).toEqual(['', ''])
    })

    test.each([
      ['another authority', 'a of another authority', /TLS: the certificate: /],
      ['another cluster', 'a of another cluster', /the certificate is of 'spiffe:\/\/d\/node\/a', not of 'spiffe:\/\/c\/node\/a'/],
      ['an expired one', 'a expired', /TLS: the certificate: CERT_HAS_EXPIRED/],
    ])('a dialer with a certificate of %s is refused', async (_, certificate, problem) => {
      await using b = await started('b')
      // A node refuses to start with such a certificate; so these bytes come from something else that has the shared secret.
      const { ms } = await stranger(
        () => secureConnect({ port: b.port, host: '127.0.0.1', ...pemOf(certificate), checkServerIdentity: () => undefined }),
        (socket) =>
          socket.on('secureConnect', () => socket.write(certificate === 'a of another cluster' ? knock(name, 'a', 'b') : Uint8Array.of(0))),
      )
      expect(ms).toBeLessThan(3_000)
      await vi.waitFor(() => expect(b.recorder.text).toMatch(problem), 5_000)
      expect(b.recorder.news).toEqual([])
    })

    test.each([
      ['another authority', 'b of another authority', /self.signed|unable to verify|certificate/],
      ['another node', 'a', /the certificate is of 'spiffe:\/\/c\/node\/a', not of 'spiffe:\/\/c\/node\/b'/],
      ['an expired one', 'b expired', /expired/],
    ])('a dialer tells nothing to one with a certificate of %s', async (_, certificate, problem) => {
      let heard = 0
      const server = createSecureServer({ ...(pemOf(certificate) as TlsOptions), minVersion: 'TLSv1.3' }, (socket) => {
        socket.on('error', () => {})
        socket.on('data', (chunk) => {
          heard += chunk.byteLength
          if (name !== 'TCP') socket.write(upgradeAnswer(chunk))
        })
      })
      server.on('tlsClientError', () => {})
      await new Promise<void>((resolve) => {
        server.listen(0, '127.0.0.1', resolve)
      })
      const { port } = server.address() as { port: number }
      await using a = await started('a')
      a.system.connect({ nodeId: 'b', processId: 'b-1', address: addressOf(`127.0.0.1:${port}`, true) })
      await vi.waitFor(() => expect(a.recorder.text).toMatch(problem), 5_000)
      if (name === 'TCP') expect(heard).toBe(0)
      expect(a.recorder.news).toEqual([])
      await a.system.stop()
      server.close()
    })

    test('a client without a certificate, with TLS 1.2, or without TLS gets no byte of the protocol', async () => {
      await using b = await started('b', { connectTimeoutMs: 1_000 })
      const { cert: _cert, key: _key, ...withoutCertificate } = pemOf('a')
      const host = { port: b.port, host: '127.0.0.1' }
      const attempts = [
        () => secureConnect({ ...host, ...withoutCertificate, checkServerIdentity: () => undefined }),
        () => secureConnect({ ...host, ...pemOf('a'), maxVersion: 'TLSv1.2', checkServerIdentity: () => undefined }),
      ]
      for (const open of attempts) {
        const { bytes } = await stranger(open, (socket) =>
          (socket as TLSSocket).on('secureConnect', () => socket.write(knock(name, 'a', 'b'))),
        )
        expect(bytes).toBe(0)
      }
      await stranger(
        () => connect(b.port, '127.0.0.1'),
        (socket) => socket.write(knock(name, 'a', 'b')),
      )
      expect(b.recorder.news).toEqual([])
      expect(b.recorder.text).toContain('TLS')
    })

    test('a node without TLS, or with another secret, and one with both do not meet, and both say why', async () => {
      await using a = await started('a')
      const plain = make({ port: 0, secrets, ...quick })
      const recorder = new Recorder()
      await plain.start({ clusterId: 'c', nodeId: 'b', processId: 'b-1' }, recorder)
      plain.connect({ ...a.peer, address: addressOf(`127.0.0.1:${a.port}`, false) })
      await vi.waitFor(() => expect(recorder.errors.length).toBeGreaterThan(0), 5_000)
      await plain.stop()
      await using b = await started('b', { secrets: [{ id: 'k1', secret: 'another secret of enough bytes...' }] })
      b.system.connect(a.peer)
      await vi.waitFor(() => expect(b.recorder.text).toContain('the shared secret was not proved'), 5_000)
      await vi.waitFor(() => expect(a.recorder.text).toContain('the shared secret was not proved'), 5_000)
      expect([a.recorder.news, b.recorder.news]).toEqual([[], []])
      expect(a.recorder.text).not.toContain('tests alone')
    })

    test('an old incarnation is refused while the store names another one', async () => {
      const current = 'b-2'
      await using a = await started('a', {}, 'a-1', (peer) => Promise.resolve(peer.processId === current))
      await using old = await started('b', {}, 'b-1')
      old.system.connect(a.peer)
      await vi.waitFor(() => expect(old.recorder.text).toContain('the store does not name this process'), 5_000)
      await using young = await started('b', {}, 'b-2')
      young.system.connect(a.peer)
      await vi.waitFor(() => expect(a.recorder.news).toEqual(['up b-2']), 5_000)
      expect(old.recorder.news).toEqual([])
    })

    test('a node does not start with a certificate that others would refuse', async () => {
      for (const [files, problem] of [
        [
          filesOf('b'),
          /option tls.certFile is .*b.pem: its SAN must hold the one URI 'spiffe:\/\/c\/node\/a'; it holds 'spiffe:\/\/c\/node\/b'/,
        ],
        [filesOf('a expired'), /a expired.pem: the certificate was valid until/],
        [
          { ...filesOf('a'), keyFile: filesOf('b').keyFile },
          /option tls.keyFile is .*b-key.pem: it is not the key of the certificate in .*a.pem/,
        ],
        [{ ...filesOf('a'), certFile: '/nowhere/a.pem' }, /option tls.certFile is \/nowhere\/a.pem: it can't be read \(ENOENT\)/],
        [{ ...filesOf('a'), caFile: filesOf('a').keyFile }, /option tls.caFile is .*a-key.pem: it does not hold what it should/],
      ] as const) {
        const system = make({ port: 0, tls: files, secrets })
        await expect(system.start({ clusterId: 'c', nodeId: 'a', processId: 'a-1' }, new Recorder())).rejects.toThrow(problem)
        await system.stop()
      }
    })

    test('certificates are exchanged while it runs, and one that can not be used changes nothing', async () => {
      const files = { caFile: authority.caFile, certFile: join(folder, 'changing.pem'), keyFile: join(folder, 'changing-key.pem') }
      const put = async (certificate: string): Promise<void> => {
        await copyFile(filesOf(certificate).certFile, files.certFile)
        await copyFile(filesOf(certificate).keyFile, files.keyFile)
      }
      await put('a')
      await using a = await started('a', { tls: { ...files, reloadIntervalMs: 50 } })
      const shown = (): Promise<string> =>
        new Promise((resolve, reject) => {
          const socket = secureConnect({ port: a.port, host: '127.0.0.1', ...pemOf('b'), checkServerIdentity: () => undefined }, () => {
            resolve(socket.getPeerX509Certificate()?.serialNumber ?? '')
            socket.destroy()
          })
          socket.on('error', reject)
        })
      const before = await shown()
      await using b = await started('b')
      b.system.connect(a.peer)
      await vi.waitFor(() => expect(a.recorder.news).toEqual(['up b-1']), 5_000)
      await put('a again')
      await vi.waitFor(async () => expect(await shown()).not.toBe(before), 5_000)
      const after = await shown()
      await writeFile(files.certFile, 'rubbish')
      await vi.waitFor(() => expect(a.recorder.text).toContain('changing.pem: it does not hold what it should'), 5_000)
      await expect(a.system.reloadCertificates()).rejects.toThrow('changing.pem')
      expect(await shown()).toBe(after)
      await put('a')
      await a.system.reloadCertificates()
      expect(await shown()).toBe(before)
      // The other side dials and is dialed with what counts now; what was up stayed up.
      expect(a.recorder.news).toEqual(['up b-1'])
      expect(a.recorder.errors).toHaveLength(1)
    })

    test.each(['TLS', 'no TLS'])('one who sends a byte now and then (%s) is put out in time', { timeout: 10_000 }, async (kind) => {
      await using a = await started('a', { connectTimeoutMs: 400, ...(kind === 'TLS' ? {} : { tls: undefined as never }) })
      // The beginning of what belongs there, so that no byte of it is wrong.
      const right = kind === 'TLS' ? Buffer.from('16030102000100', 'hex') : knock(name, 'b', 'a')
      let at = 0
      let drip: NodeJS.Timeout | undefined
      const { ms } = await stranger(
        () => connect(a.port, '127.0.0.1'),
        (socket) => {
          drip = setInterval(() => at < right.byteLength - 1 && socket.write(right.subarray(at, ++at)), 30)
        },
      )
      clearInterval(drip)
      expect(at).toBeGreaterThan(3)
      expect(ms).toBeGreaterThan(350)
      expect(ms).toBeLessThan(2_000)
      expect(a.recorder.news).toEqual([])
    })

    test('strangers from one address leave room for others, and none for more of their own', async () => {
      await using a = await started('a', { maxPendingPerAddress: 3, connectTimeoutMs: 60_000 })
      const sockets = Array.from({ length: 10 }, () => connect(a.port, '127.0.0.1'))
      let closed = 0
      for (const socket of sockets) {
        socket.on('error', () => {})
        socket.on('close', () => closed++)
        socket.resume()
      }
      await vi.waitFor(() => expect(closed).toBe(7), 5_000)
      await using b = await started('b')
      const proxy = createServer((inner) => {
        // From another address of this machine.
        const outer = connect({ port: a.port, host: '127.0.0.1', localAddress: '127.0.0.2' })
        inner.pipe(outer).pipe(inner)
        for (const socket of [inner, outer]) socket.on('error', () => {})
      })
      await new Promise<void>((resolve) => {
        proxy.listen(0, '127.0.0.1', resolve)
      })
      const { port } = proxy.address() as { port: number }
      b.system.connect({ ...a.peer, address: addressOf(`127.0.0.1:${port}`, true) })
      await vi.waitFor(() => expect(a.recorder.news).toEqual(['up b-1']), 5_000)
      for (const socket of sockets) socket.destroy()
      await b.system.stop()
      proxy.close()
    })
  })
}
