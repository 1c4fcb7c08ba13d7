// The servers under a cluster: started for it by `tooling/backends`, or already there. Loaded only when a deployment needs one.

import type { Backend, BackendName } from '@cajun/backends'

/** What a process needs to know to use a server. */
export interface ServerAddress {
  readonly url: string
  /** Started for this cluster alone, with known settings; false: somebody else's, of which nothing is known. */
  readonly isOurs: boolean
}

export interface RunningServer extends AsyncDisposable {
  readonly address: ServerAddress
  /** For people: what it is, where, and where it came from. */
  readonly shown: string
  /** What it can be killed and frozen by; undefined where it is part of a process of ours. */
  readonly backend: Backend | undefined
}

/** Rejects with the reason, and what would help, when it can't be had. */
export async function startServer(name: BackendName, shownName: string): Promise<RunningServer> {
  const { Backend } = await import('@cajun/backends')
  const backend = await Backend.start(name)
  const isOurs = backend.source !== 'environment'
  const from = {
    environment: `given by CAJUN_${name.toUpperCase()}_URL`,
    machine: "started from this machine's programs",
    packages: "started from Debian's packages",
    maven: "started from Maven Central's jars",
    docker: 'started with Docker',
  }[backend.source]
  return {
    address: { url: backend.url, isOurs },
    shown: `${shownName} at ${backend.url.replace(/\/\/[^@/]*@/, '//')} (${from})`,
    backend,
    [Symbol.asyncDispose]: () => backend.stop(),
  }
}
