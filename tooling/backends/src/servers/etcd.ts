// etcd: one member, its data in one folder.

import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { request as secureRequest } from 'node:https'
import type { ServerKind, Variant } from '../server-kind.ts'

export const etcd: ServerKind = {
  name: 'etcd',
  variable: 'CAJUN_ETCD_URL',
  packages: ['etcd-server'],
  libraries: /^$/,
  image: 'quay.io/coreos/etcd:v3.5.21',
  containerPort: 2379,
  dataFolder: 'etcd',
  containerCommand: ['etcd', '--listen-client-urls', 'http://0.0.0.0:2379', '--advertise-client-urls', 'http://0.0.0.0:2379'],
  missing: (machine) => (machine.program('etcd') === undefined ? ['etcd'] : []),
  command(machine, { port, peerPort, dataDir, tls }) {
    const scheme = tls === undefined ? 'http' : 'https'
    const client = `${scheme}://127.0.0.1:${port}`
    const peer = `http://127.0.0.1:${peerPort}`
    return {
      argv: [
        machine.program('etcd') as string,
        ...['--name', 't', '--data-dir', `${dataDir}/etcd`, '--log-level', 'warn', '--logger', 'zap'],
        ...['--listen-client-urls', client, '--advertise-client-urls', client],
        ...['--listen-peer-urls', peer, '--initial-advertise-peer-urls', peer, '--initial-cluster', `t=${peer}`],
        // One member elects itself: a short time-out only makes it ready sooner. A killed process loses nothing without fsync, only a killed machine.
        ...['--heartbeat-interval', '10', '--election-timeout', '100', '--unsafe-no-fsync'],
        // Logging in costs 2^10 rounds by default, which takes a busy machine half a second.
        ...['--bcrypt-cost', '4'],
        ...(tls === undefined ? [] : ['--cert-file', tls.certFile, '--key-file', tls.keyFile]),
      ],
      env: machine.env,
    }
  },
  url: (host, port, { tls }) => `${tls === undefined ? 'http' : 'https'}://${host}:${port}`,
  async ready(host, port, variant) {
    return (await call(host, port, variant, '/health')).includes('"true"')
  },
  async prepare(host, port, variant) {
    const { credentials } = variant
    if (credentials === undefined) return
    const post = (path: string, body: object): Promise<string> => call(host, port, variant, `/v3/auth/${path}`, body)
    // Authentication can be enabled only when a user `root` with that role exists.
    for (const name of new Set(['root', credentials.username])) {
      await post('user/add', { name, password: credentials.password })
      if (name === 'root') await post('role/add', { name })
      await post('user/grant', { user: name, role: 'root' })
    }
    await post('enable', {})
  },
}

function call(host: string, port: number, { tls }: Variant, path: string, body?: object): Promise<string> {
  const send = tls === undefined ? request : secureRequest
  const options = { host, port, path, method: body === undefined ? 'GET' : 'POST', timeout: 2_000, agent: false }
  return new Promise((resolve, reject) => {
    const sent = send(tls === undefined ? options : { ...options, ca: readFileSync(tls.certFile) }, (answer) => {
      let text = ''
      answer.setEncoding('utf8')
      answer.on('data', (chunk: string) => {
        text += chunk
      })
      answer.on('end', () => (answer.statusCode === 200 ? resolve(text) : reject(new Error(`${path}: ${answer.statusCode} ${text}`))))
      answer.on('error', reject)
    })
    sent.on('timeout', () => sent.destroy(new Error(`${path}: no answer`)))
    sent.on('error', reject)
    sent.end(body === undefined ? undefined : JSON.stringify(body))
  })
}
