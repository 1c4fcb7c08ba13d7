// What one kind of server needs to be found, started and asked whether it is ready. Each is a value in `servers/`.

import type { Machine } from './machine.ts'
import type { Coordinates } from './maven-jars.ts'

export type BackendName = 'etcd' | 'kafka' | 'rabbitmq' | 'redis' | 'zookeeper'

/** PEM files of a certificate for loopback that is its own authority. */
export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
}

export interface Credentials {
  readonly username: string
  readonly password: string
}

export interface Variant {
  readonly tls: Certificate | undefined
  readonly credentials: Credentials | undefined
}

export interface Launch extends Variant {
  readonly port: number
  /** A second port, for servers that insist on one. */
  readonly peerPort: number
  /** A third port: of the registry in which a server's nodes find each other. */
  readonly registryPort: number
  /** Empty at the first start; the same at every restart. */
  readonly dataDir: string
}

export interface Command {
  readonly argv: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Written to the data directory before each start: name -> content. */
  readonly files?: Readonly<Record<string, string>>
}

export interface ServerKind {
  readonly name: BackendName
  /** The environment variable that names a server to use instead of starting one. */
  readonly variable: string
  /** Debian's packages, and which of their dependencies to fetch with them; none: Debian does not have it. */
  readonly packages: readonly string[]
  readonly libraries: RegExp
  /** What Maven Central has of it. Its dependencies come along. */
  readonly jars?: readonly Coordinates[]
  /** Debian's packages of what it runs on, which are not fetched: they have to be installed. */
  readonly needs?: readonly string[]
  /** For Docker; the port is the one inside of the container. */
  readonly image: string
  readonly containerPort: number
  readonly containerCommand?: readonly string[]
  /** What its image is told; `port` is the one by which clients reach it. */
  containerEnv?(port: number): Readonly<Record<string, string>>
  /** Where below the data directory its data is, for tests that take it away; absent: they can't. */
  readonly dataFolder?: string
  /** Which of the programs that it takes are missing; empty: it can be started. */
  missing(machine: Machine): readonly string[]
  command(machine: Machine, launch: Launch): Command
  url(host: string, port: number, variant: Variant): string
  /** Resolves to true when the server answers; rejects or resolves to false while it does not. */
  ready(host: string, port: number, variant: Variant): Promise<boolean>
  /** After the first start: what can be set up only in a running server. */
  prepare?(host: string, port: number, variant: Variant): Promise<void>
}
