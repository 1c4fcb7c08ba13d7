// Jars from Maven Central, fetched by the machine's own Maven into the cache folder, with everything they need: for servers that no distribution packages.

import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from './cache-folder.ts'
import type { ServerKind } from './server-kind.ts'

const run = promisify(execFile)
const PATIENCE_MS = 240_000

/** `group:artifact:version` */
export type Coordinates = `${string}:${string}:${string}`

/** The folder is named for what is in it: another version is another folder. */
export function jarsRoot(kind: ServerKind): string {
  const versions = (kind.jars ?? []).map((coordinates) => coordinates.split(':').slice(1).join('-'))
  return join(cacheFolder(), [kind.name, ...versions].join('_'))
}

export function areFetched(kind: ServerKind): boolean {
  return existsSync(join(jarsRoot(kind), '.complete'))
}

/** Fetches once; several processes may do it at the same time. Rejects with what Maven said. */
export async function fetchJars(kind: ServerKind, maven: string): Promise<void> {
  if (areFetched(kind)) return
  mkdirSync(cacheFolder(), { recursive: true })
  const work = mkdtempSync(join(cacheFolder(), `.${kind.name}-`))
  try {
    writeFileSync(join(work, 'pom.xml'), project(kind.jars ?? []))
    const root = join(work, 'root')
    const goal = ['dependency:copy-dependencies', '-DincludeScope=runtime', `-DoutputDirectory=${join(root, 'usr/share/java')}`]
    await run(maven, ['--batch-mode', '--quiet', ...goal], { cwd: work, timeout: PATIENCE_MS })
    writeFileSync(join(root, '.complete'), `${(kind.jars ?? []).join('\n')}\n`)
    if (!areFetched(kind)) {
      rmSync(jarsRoot(kind), { recursive: true, force: true })
      renameSync(root, jarsRoot(kind))
    }
  } catch (error) {
    if (!areFetched(kind)) throw error // else another process was faster
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

function project(jars: readonly Coordinates[]): string {
  const dependencies = jars.map((coordinates) => {
    const [group, artifact, version] = coordinates.split(':')
    return `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`
  })
  return [
    '<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>',
    '<groupId>cajun</groupId><artifactId>backends</artifactId><version>1</version>',
    `<dependencies>${dependencies.join('')}</dependencies></project>`,
  ].join('\n')
}
