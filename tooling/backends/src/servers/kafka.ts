// Kafka: one broker that is its own controller (KRaft), from Maven Central's jars, started by its main class.

import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { exchange } from '../exchange.ts'
import type { Machine } from '../machine.ts'
import type { Certificate, Credentials, Launch, ServerKind } from '../server-kind.ts'

const VERSION = '3.9.1'
const MAIN_JAR = `kafka_2.13-${VERSION}.jar`

/** ApiVersions, version 0: what every listener answers before anybody has logged in. */
const API_VERSIONS = Buffer.from([0, 0, 0, 10, 0, 18, 0, 0, 0, 0, 0, 1, 0xff, 0xff])

/** Formats the storage at the first start; then becomes the broker, so that signals reach it. `$@` is java with its options. */
const SCRIPT = [
  'if [ ! -e "$STORAGE/meta.properties" ]; then',
  '  "$@" kafka.tools.StorageTool format "--cluster-id=$CLUSTER" --config server.properties || exit',
  'fi',
  'exec "$@" kafka.Kafka server.properties',
].join('\n')

export const kafka: ServerKind = {
  name: 'kafka',
  variable: 'CAJUN_KAFKA_URL',
  packages: [],
  libraries: /^$/,
  jars: [`org.apache.kafka:kafka_2.13:${VERSION}`, 'org.slf4j:slf4j-simple:1.7.36'],
  needs: ['default-jre-headless', 'maven'],
  image: `apache/kafka:${VERSION}`,
  containerPort: 9092,
  containerEnv: (port) => ({
    KAFKA_NODE_ID: '1',
    KAFKA_PROCESS_ROLES: 'broker,controller',
    KAFKA_CONTROLLER_QUORUM_VOTERS: '1@localhost:9093',
    KAFKA_CONTROLLER_LISTENER_NAMES: 'CONTROLLER',
    KAFKA_LISTENERS: 'PLAINTEXT://0.0.0.0:9092,CONTROLLER://localhost:9093',
    KAFKA_LISTENER_SECURITY_PROTOCOL_MAP: 'PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT',
    KAFKA_ADVERTISED_LISTENERS: `PLAINTEXT://127.0.0.1:${port}`,
    KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR: '1',
    KAFKA_AUTO_CREATE_TOPICS_ENABLE: 'false',
  }),
  missing(machine) {
    const needed: [string, string | undefined][] = [
      ['java', machine.program('java')],
      [MAIN_JAR, machine.jar(MAIN_JAR)],
    ]
    return needed.flatMap(([name, path]) => (path === undefined ? [name] : []))
  },
  command(machine, launch) {
    const storage = `${launch.dataDir}/kafka`
    return {
      argv: ['/bin/sh', '-c', SCRIPT, 'kafka', machine.program('java') as string, ...javaOptions(machine)],
      env: { ...machine.env, STORAGE: storage, CLUSTER: randomBytes(16).toString('base64url') },
      files: { 'server.properties': `${serverProperties(launch, storage).join('\n')}\n`, ...keyStore(launch.tls) },
    }
  },
  url: (host, port) => `${host}:${port}`,
  async ready(host, port, { tls }) {
    const answer = await exchange({ host, port, ca: tls && readFileSync(tls.certFile) }, API_VERSIONS)
    return answer.length > 4
  },
}

function javaOptions(machine: Machine): string[] {
  return [
    ...['-Xmx512m', '-XX:+UseSerialGC', '-XX:TieredStopAtLevel=1'],
    ...['-Dorg.slf4j.simpleLogger.defaultLogLevel=warn', '-cp', `${dirname(machine.jar(MAIN_JAR) as string)}/*`],
  ]
}

function serverProperties({ port, peerPort, dataDir, tls, credentials }: Launch, storage: string): string[] {
  const protocol = `${credentials === undefined ? '' : 'SASL_'}${tls === undefined ? 'PLAINTEXT' : 'SSL'}`
  return [
    'process.roles=broker,controller',
    'node.id=1',
    `controller.quorum.voters=1@127.0.0.1:${peerPort}`,
    `listeners=CLIENTS://127.0.0.1:${port},CONTROLLER://127.0.0.1:${peerPort}`,
    `advertised.listeners=CLIENTS://127.0.0.1:${port}`,
    `listener.security.protocol.map=CLIENTS:${protocol},CONTROLLER:PLAINTEXT`,
    'inter.broker.listener.name=CLIENTS',
    'controller.listener.names=CONTROLLER',
    `log.dirs=${storage}`,
    'auto.create.topics.enable=false',
    // One broker can't replicate.
    'offsets.topic.replication.factor=1',
    'offsets.topic.num.partitions=1',
    'transaction.state.log.replication.factor=1',
    'transaction.state.log.min.isr=1',
    'group.initial.rebalance.delay.ms=0',
    // What has expired goes soon, so that tests can see it: it is looked for every 5 minutes by default, and not at all in the first half minute.
    'log.retention.check.interval.ms=1000',
    'log.initial.task.delay.ms=1000',
    // After a crash the broker is let in again once its former life counts as dead: 9 s by default.
    'broker.session.timeout.ms=1000',
    'broker.heartbeat.interval.ms=250',
    ...(tls === undefined ? [] : secureListener(dataDir, tls)),
    ...(credentials === undefined ? [] : accessList(credentials)),
  ]
}

function secureListener(dataDir: string, { certFile }: Certificate): string[] {
  return [
    ...['ssl.keystore.type=PEM', `ssl.keystore.location=${dataDir}/keystore.pem`],
    ...['ssl.truststore.type=PEM', `ssl.truststore.location=${certFile}`],
  ]
}

/** Kafka wants key and certificate in one file. */
function keyStore(tls: Certificate | undefined): Record<string, string> {
  return tls === undefined ? {} : { 'keystore.pem': readFileSync(tls.keyFile, 'utf8') + readFileSync(tls.certFile, 'utf8') }
}

/** The broker logs in to itself as well. */
function accessList({ username, password }: Credentials): string[] {
  const login = `username="${username}" password="${password}" user_${username}="${password}"`
  return [
    'sasl.enabled.mechanisms=PLAIN',
    'sasl.mechanism.inter.broker.protocol=PLAIN',
    `listener.name.clients.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required ${login};`,
  ]
}
