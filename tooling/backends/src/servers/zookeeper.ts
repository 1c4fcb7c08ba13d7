// ZooKeeper: one standalone server, started by its main class, so that no start script looks at the system's configuration.

import { exchange } from '../exchange.ts'
import type { Machine } from '../machine.ts'
import type { ServerKind } from '../server-kind.ts'

const JARS = [
  'zookeeper.jar',
  'zookeeper-jute.jar',
  'slf4j-api.jar',
  'slf4j-simple.jar',
  'netty.jar',
  'snappy-java.jar',
  'metrics-core.jar',
]

function classPath(machine: Machine): string[] {
  return JARS.flatMap((name) => machine.jar(name) ?? [])
}

export const zookeeper: ServerKind = {
  name: 'zookeeper',
  variable: 'CAJUN_ZOOKEEPER_URL',
  packages: ['zookeeper', 'libzookeeper-java'],
  libraries: /^(libnetty-java|libsnappy.*|libdropwizard-metrics-java|libslf4j-java|liblog4j1\.2-java)$/,
  needs: ['default-jre-headless'],
  image: 'zookeeper:3.9',
  containerPort: 2181,
  dataFolder: 'zookeeper',
  missing(machine) {
    const needed: [string, string | undefined][] = [
      ['java', machine.program('java')],
      ['zookeeper.jar', machine.jar('zookeeper.jar')],
      ['slf4j-simple.jar', machine.jar('slf4j-simple.jar')],
    ]
    return needed.flatMap(([name, path]) => (path === undefined ? [name] : []))
  },
  command(machine, { port, dataDir, credentials }) {
    const config = [
      // Sessions are counted in ticks: of 200 ms, a TTL of 400 ms is granted.
      'tickTime=200',
      // And of more than 20 ticks, too.
      'maxSessionTimeout=60000',
      `dataDir=${dataDir}/zookeeper`,
      `clientPort=${port}`,
      'clientPortAddress=127.0.0.1',
      'admin.enableServer=false',
      '4lw.commands.whitelist=*',
      'maxClientCnxns=0',
      // Whoever has not logged in is turned away at the first request. Users of scheme `digest` are not known to the server: it believes any name with any
      // password, and what they created is theirs by the nodes' access lists.
      ...(credentials === undefined ? [] : ['enforce.auth.enabled=true', 'enforce.auth.schemes=digest']),
    ]
    return {
      argv: [
        machine.program('java') as string,
        ...['-Xmx256m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1', '-Dzookeeper.forceSync=no'],
        ...['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', [dataDir, ...classPath(machine)].join(':')],
        ...['org.apache.zookeeper.server.ZooKeeperServerMain', `${dataDir}/zoo.cfg`],
      ],
      env: machine.env,
      files: { 'zoo.cfg': `${config.join('\n')}\n` },
    }
  },
  url: (host, port) => `${host}:${port}`,
  /** `ruok` is answered as soon as the port is open, before there is anybody to open a session: who connects then may never hear of it. */
  async ready(host, port) {
    return (await exchange({ host, port, ca: undefined }, 'srvr')).startsWith('Zookeeper version')
  },
}
