// Where a server can be had from, in this order: an endpoint in the environment, programs on the machine, Debian's packages or Maven's
// jars, a Docker engine.
// What can't be had has a reason, and the command that would change it.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { cacheFolder } from './cache-folder.ts'
import { hasApt, isUnpacked, unpackedRoot, unpackPackages } from './debian-packages.ts'
import { type Machine, machineAt } from './machine.ts'
import { areFetched, fetchJars, jarsRoot } from './maven-jars.ts'
import type { BackendName, ServerKind } from './server-kind.ts'
import { serverKinds } from './server-kinds.ts'

export type Source =
  | { readonly type: 'environment'; readonly url: string }
  | { readonly type: 'machine' | 'packages' | 'maven'; readonly machine: Machine }
  | { readonly type: 'docker' }

export type Location =
  | { readonly available: true; readonly name: BackendName; readonly source: Source }
  | { readonly available: false; readonly name: BackendName; readonly reason: string; readonly remedy: string }

const run = promisify(execFile)

/** Never rejects. Fetches packages when it has to: the first time takes seconds. */
export async function locate(name: BackendName): Promise<Location> {
  const kind = serverKinds[name]
  const url = process.env[kind.variable]
  if (url !== undefined && url !== '') return { available: true, name, source: { type: 'environment', url } }
  const reasons: string[] = []
  for (const attempt of [onMachine, kind.jars === undefined ? fromPackages : fromMaven, fromDocker]) {
    const found = await attempt(kind)
    if (typeof found !== 'string') return { available: true, name, source: found }
    reasons.push(found)
  }
  return { available: false, name, reason: `${kind.variable} is not set; ${reasons.join('; ')}`, remedy: remedy(kind) }
}

/**
 * For test files, at their top: `undefined` when the server can be had; else why its tests are skipped, and what would help. With `CI=true` nothing is
 * skipped: it throws. `secured`: with TLS or credentials, which only a server that is started from programs is given.
 */
export async function reasonToSkip(
  name: BackendName,
  { secured = false }: { readonly secured?: boolean } = {},
): Promise<string | undefined> {
  const location = await locate(name)
  if (location.available && !(secured && isPlain(location.source))) return undefined
  const text = location.available
    ? `${name} from ${location.source.type} has neither TLS nor credentials. To run these tests: ${remedy(serverKinds[name])}`
    : `no ${name}: ${location.reason}. To run these tests: ${location.remedy}`
  if (process.env['CI'] === 'true') throw new Error(text)
  return text
}

/** A container, and a server that somebody else runs, are taken as they are. */
function isPlain({ type }: Source): boolean {
  return type === 'docker' || type === 'environment'
}

async function onMachine(kind: ServerKind): Promise<Source | string> {
  const machine = machineAt(undefined)
  const missing = kind.missing(machine)
  return missing.length === 0 ? { type: 'machine', machine } : `${missing.join(', ')} not found on this machine`
}

async function fromPackages(kind: ServerKind): Promise<Source | string> {
  if (!isUnpacked(kind)) {
    if (!hasApt()) return 'not Debian'
    try {
      await unpackPackages(kind)
    } catch (error) {
      return `Debian's packages can't be fetched (${firstLine(error)})`
    }
  }
  const machine = machineAt(unpackedRoot(kind))
  const missing = kind.missing(machine)
  return missing.length === 0 ? { type: 'packages', machine } : `${missing.join(', ')} is not in the packages unpacked to ${cacheFolder()}`
}

async function fromMaven(kind: ServerKind): Promise<Source | string> {
  if (!areFetched(kind)) {
    const maven = machineAt(undefined).program('mvn')
    if (maven === undefined) return 'mvn not found'
    try {
      await fetchJars(kind, maven)
    } catch (error) {
      return `Maven can't fetch its jars (${firstLine(error)})`
    }
  }
  const machine = machineAt(jarsRoot(kind))
  const missing = kind.missing(machine)
  return missing.length === 0 ? { type: 'maven', machine } : `${missing.join(', ')} not found beside the jars in ${cacheFolder()}`
}

async function fromDocker(): Promise<Source | string> {
  try {
    await run('docker', ['version', '--format', '{{.Server.Version}}'], { timeout: 5_000 })
    return { type: 'docker' }
  } catch {
    return 'no Docker engine answers'
  }
}

function remedy(kind: ServerKind): string {
  const packages = [...kind.packages, ...(kind.needs ?? [])]
  return hasApt()
    ? `as root, apt-get update && apt-get install --no-install-recommends ${packages.join(' ')}`
    : `start Docker, or set ${kind.variable} to the address of a server that may be written to`
}

function firstLine(error: unknown): string {
  const { stderr, stdout } = error as { stderr?: string; stdout?: string }
  // Maven complains on its standard output.
  const text = stderr || stdout || String(error)
  return text.trim().split('\n')[0] ?? ''
}
