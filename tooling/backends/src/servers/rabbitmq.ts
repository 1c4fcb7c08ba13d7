// RabbitMQ: one node, started by Erlang's own launcher. The start scripts of Debian's packages name folders of an installed system and read its
// configuration; nothing here does.

import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { exchange } from '../exchange.ts'
import type { Machine } from '../machine.ts'
import type { Credentials, ServerKind, Variant } from '../server-kind.ts'

interface Parts {
  /** Of Erlang. */
  readonly root: string
  /** Of Erlang's programs. */
  readonly programs: string
  /** Of the server. */
  readonly home: string
}

/** The name of the only entry of `folder` that begins so. */
function versioned(folder: string | undefined, prefix: string): string | undefined {
  const name = folder && readdirSync(folder).find((entry) => entry.startsWith(prefix))
  return folder && name && join(folder, name)
}

function parts(machine: Machine): Partial<Parts> {
  const root = machine.folder('usr/lib/erlang')
  const emulator = versioned(root, 'erts-')
  const home = versioned(machine.folder('usr/lib/rabbitmq/lib'), 'rabbitmq_server-')
  return { ...(root && { root }), ...(emulator && { programs: join(emulator, 'bin') }), ...(home && { home }) }
}

/**
 * epmd first, as a child of ours: whatever finds none running starts one that stays for ever. The shell becomes the server itself, so that
 * a signal to its group reaches both.
 */
const START = `
"$BINDIR/epmd" -address 127.0.0.1 -port "$ERL_EPMD_PORT" &
until "$BINDIR/epmd" -port "$ERL_EPMD_PORT" -names >/dev/null 2>&1; do sleep 0.02; done
exec "$BINDIR/erlexec" "$@"
`

export const rabbitmq: ServerKind = {
  name: 'rabbitmq',
  variable: 'CAJUN_RABBITMQ_URL',
  packages: ['rabbitmq-server', 'erlang-base'],
  libraries: /^(erlang-.*|libsctp1|libtinfo6)$/,
  image: 'rabbitmq:3.13-alpine',
  containerPort: 5672,
  missing(machine) {
    const { root, programs, home } = parts(machine)
    return [...(root && programs ? [] : ['erlang']), ...(home ? [] : ['rabbitmq-server'])]
  },
  command(machine, { port, peerPort, registryPort, dataDir, tls, credentials }) {
    const { root, programs, home } = parts(machine) as Parts
    const config = [
      tls === undefined ? `listeners.tcp.1 = 127.0.0.1:${port}` : `listeners.tcp = none\nlisteners.ssl.1 = 127.0.0.1:${port}`,
      ...(tls === undefined ? [] : [`ssl_options.certfile = ${tls.certFile}`, `ssl_options.keyfile = ${tls.keyFile}`]),
      ...(tls === undefined ? [] : [`ssl_options.cacertfile = ${tls.certFile}`, 'ssl_options.fail_if_no_peer_cert = false']),
      ...(credentials === undefined ? [] : account(credentials)),
      'log.console.level = warning',
      'vm_memory_high_watermark.absolute = 1GB',
      'disk_free_limit.absolute = 50MB',
    ]
    return {
      argv: [
        ...['sh', '-c', START, 'rabbitmq', '-noinput', '-boot', 'start_sasl', '-s', 'rabbit', 'boot', '-start_epmd', 'false'],
        ...['-kernel', 'inet_dist_use_interface', '{127,0,0,1}', 'prevent_overlapping_partitions', 'false'],
        ...['-syslog', 'logger', '[]', 'syslog_error_logger', 'false'],
        // Its threads do not spin while they wait: tests have few processors.
        ...['+W', 'w', '+Bi', '+sbwt', 'none', '+sbwtdcpu', 'none', '+sbwtdio', 'none'],
      ],
      env: {
        ...machine.env,
        ROOTDIR: root,
        BINDIR: programs,
        EMU: 'beam',
        PROGNAME: 'erl',
        // Whatever the caller has set for Erlang programs of his own.
        ERL_FLAGS: '',
        ERL_AFLAGS: '',
        ERL_ZFLAGS: '',
        ERL_LIBS: join(home, 'plugins'),
        ERL_EPMD_PORT: String(registryPort),
        ERL_EPMD_ADDRESS: '127.0.0.1',
        // Erlang writes a secret of its own there, readable by its owner alone.
        HOME: dataDir,
        RABBITMQ_HOME: home,
        RABBITMQ_NODENAME: `cajun-${port}@localhost`,
        RABBITMQ_DIST_PORT: String(peerPort),
        RABBITMQ_CONF_ENV_FILE: '/dev/null',
        RABBITMQ_CONFIG_FILE: join(dataDir, 'rabbitmq.conf'),
        RABBITMQ_ADVANCED_CONFIG_FILE: join(dataDir, 'advanced.config'),
        RABBITMQ_ENABLED_PLUGINS_FILE: join(dataDir, 'enabled_plugins'),
        RABBITMQ_MNESIA_BASE: join(dataDir, 'mnesia'),
        RABBITMQ_LOG_BASE: join(dataDir, 'log'),
        RABBITMQ_LOGS: '-',
        RABBITMQ_PID_FILE: join(dataDir, 'pid'),
        RABBITMQ_FEATURE_FLAGS_FILE: join(dataDir, 'feature_flags'),
      },
      files: { 'rabbitmq.conf': `${config.join('\n')}\n`, 'advanced.config': '[].\n', enabled_plugins: '[].\n' },
    }
  },
  url: (host, port, { tls }) => `${tls === undefined ? 'amqp' : 'amqps'}://${host}:${port}`,
  async ready(host, port, { tls }: Variant) {
    const answer = await exchange({ host, port, ca: tls && readFileSync(tls.certFile) }, 'AMQP\u0000\u0000\u0009\u0001')
    // connection.start, a method of channel 0.
    return answer.startsWith('\u0001\u0000\u0000')
  },
}

/** Made at the first start, in the place of `guest`. */
function account({ username, password }: Credentials): string[] {
  return [`default_user = ${username}`, `default_pass = ${password}`, 'loopback_users = none']
}
