// Dependencies go one way: between the rooms of core, and between packages.

import { posix } from 'node:path'
import { parse } from './parse.ts'
import { type Finding, lineAt, type SourceFile } from './source-file.ts'

/** Room of core -> the rooms it may import besides itself. */
const ROOMS: Readonly<Record<string, readonly string[]>> = (() => {
  const floor = ['runtime', 'hashing', 'errors']
  const delivery = [...floor, 'metadata', 'messaging']
  const actor = [...delivery, 'delivery']
  const state = [...actor, 'actor']
  const cluster = [...state, 'state']
  return {
    runtime: ['errors'],
    hashing: ['errors'],
    // Errors name dead-letter reasons by their type.
    errors: ['delivery/dead-letter-reason'],
    metadata: floor,
    messaging: floor,
    delivery,
    actor,
    state,
    cluster,
    index: [...cluster, 'cluster'],
    adapter: [...cluster, 'cluster'],
  }
})()

export function checkRooms(file: SourceFile): Finding[] {
  const here = /^packages\/core\/src\/(.+)$/.exec(file.path)?.[1]
  if (here === undefined) return []
  const room = roomOf(here)
  const allowed = ROOMS[room]
  if (allowed === undefined) {
    return [{ path: file.path, line: 1, problem: `'${room}' is no room of core; the rooms are ${Object.keys(ROOMS).join(', ')}` }]
  }
  const findings: Finding[] = []
  for (const { specifier, offset } of parse(file).imports) {
    if (!specifier.startsWith('.')) continue
    const target = posix.join(posix.dirname(here), specifier)
    const targetRoom = roomOf(target)
    if (targetRoom === room || allowed.includes(targetRoom) || allowed.includes(target.replace(/\.ts$/, ''))) continue
    findings.push({
      path: file.path,
      line: lineAt(file.text, offset),
      problem: `${room} imports ${targetRoom} ('${specifier}'); it may import ${allowed.join(', ')}`,
    })
  }
  return findings
}

function roomOf(path: string): string {
  const slash = path.indexOf('/')
  return slash < 0 ? path.replace(/\.ts$/, '') : path.slice(0, slash)
}

/** What transports share has packages of its own: it needs node:tls and node:crypto, which are no business of core. */
const SHARED: Readonly<Record<string, string>> = {
  'packages/messaging-tcp': '@cajun/messaging-stream',
  'packages/messaging-websocket': '@cajun/messaging-stream',
  'packages/messaging-broker': '@cajun/messaging-stream',
  'packages/messaging-rabbitmq': '@cajun/messaging-broker',
  'packages/messaging-kafka': '@cajun/messaging-broker',
}

/** Sources of a package -> the packages of ours that they may import. Apps and tooling may import any. */
function allowedPackages(folder: string): readonly string[] | undefined {
  if (!folder.startsWith('packages/')) return undefined
  if (folder === 'packages/core') return []
  const shared = SHARED[folder]
  return shared === undefined ? ['@cajun/core'] : ['@cajun/core', shared]
}

export function checkPackages(file: SourceFile): Finding[] {
  const match = /^((?:packages|apps|tooling)\/[^/]+)\/(src|test|bin)\//.exec(file.path)
  if (match === null) return []
  const [, folder = '', part] = match
  const findings: Finding[] = []
  const allowed = allowedPackages(folder)
  for (const { specifier, offset } of parse(file).imports) {
    const line = lineAt(file.text, offset)
    if (specifier.startsWith('.')) {
      const target = posix.join(posix.dirname(file.path), specifier)
      const leaves = !target.startsWith(`${folder}/`)
      // Tests of one package may use the test support of another; sources never reach into a neighbour.
      if (leaves && part === 'src')
        findings.push({ path: file.path, line, problem: `'${specifier}' leaves the package; import it by name` })
      continue
    }
    const name = /^(@cajun\/[^/]+)/.exec(specifier)?.[1]
    if (name === undefined || allowed === undefined || part !== 'src' || allowed.includes(name)) continue
    findings.push({
      path: file.path,
      line,
      problem: `${folder} imports ${name}; it may import ${allowed.join(', ') || 'no package of ours'}`,
    })
  }
  return findings
}
