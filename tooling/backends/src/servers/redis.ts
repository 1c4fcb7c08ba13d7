// Redis: one server with an append-only file, synced before each answer: with `everysec`, writes may wait in the process for up to two seconds while a
// sync is under way, and SIGKILL would lose them.

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { exchange } from '../exchange.ts'
import type { Credentials, ServerKind } from '../server-kind.ts'

export const redis: ServerKind = {
  name: 'redis',
  variable: 'CAJUN_REDIS_URL',
  packages: ['redis-server', 'redis-tools'],
  libraries: /^(libjemalloc2|liblzf1|libatomic1|libhiredis.*|liblua5\.1-0|lua-.*)$/,
  image: 'redis:7-alpine',
  containerPort: 6379,
  dataFolder: 'appendonlydir',
  containerCommand: ['redis-server', '--appendonly', 'yes', '--appendfsync', 'always', '--save', ''],
  missing: (machine) => (machine.program('redis-server') === undefined ? ['redis-server'] : []),
  command(machine, { port, dataDir, tls, credentials }) {
    const lines = [
      'bind 127.0.0.1',
      `dir ${dataDir}`,
      'save ""',
      'appendonly yes',
      'appendfsync always',
      tls === undefined ? `port ${port}` : `port 0\ntls-port ${port}\ntls-auth-clients no`,
      ...(tls === undefined ? [] : [`tls-cert-file ${tls.certFile}`, `tls-key-file ${tls.keyFile}`, `tls-ca-cert-file ${tls.certFile}`]),
      ...(credentials === undefined ? [] : accessList(credentials)),
    ]
    return {
      argv: [machine.program('redis-server') as string, `${dataDir}/redis.conf`],
      env: machine.env,
      files: { 'redis.conf': `${lines.join('\n')}\n` },
    }
  },
  url: (host, port, { tls }) => `${tls === undefined ? 'redis' : 'rediss'}://${host}:${port}`,
  async ready(host, port, { tls }) {
    const answer = await exchange({ host, port, ca: tls && readFileSync(tls.certFile) }, 'PING\r\n')
    // It asks for a password: it is there.
    return answer.startsWith('+PONG') || answer.startsWith('-NOAUTH')
  },
}

/**
 * Gotcha: the default user keeps its rights behind a password that nobody knows. With `user default off` Redis 7.0 replays its append-only file without the
 * right to EXEC, and silently starts without the writes of every script.
 */
function accessList({ username, password }: Credentials): string[] {
  return [`user default on >${randomBytes(24).toString('hex')} ~* &* +@all`, `user ${username} on ">${password}" ~* &* +@all`]
}
