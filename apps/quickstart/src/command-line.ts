// What people may write after `pnpm demo`.

import { parseArgs } from 'node:util'
import type { DeploymentChoice } from './deployment.ts'
import { storeNames } from './stores.ts'
import { transportNames } from './transports.ts'

export const USAGE = `pnpm demo [--metadata ${storeNames.join('|')}] [--messaging ${transportNames.join('|')}]

Runs a cluster of real processes, kills one of them under load, lets one join, drains one, moves an actor by hand, and says what became of every
message. It takes less than a minute.

  --metadata   where the cluster keeps who is alive and who owns what; default memory
  --messaging  how its nodes speak to each other; default tcp
  --help       this text

memory and tcp need nothing but Node.js. Servers of the others are started on private ports and stopped at the end; CAJUN_ETCD_URL and the like name
servers that run already (tooling/backends/README.md).

It exits with 0 when every promise was kept, with 1 when one was broken or the demo could not run, with 2 when an option was wrong.
`

export type CommandLine =
  | { readonly kind: 'run'; readonly choice: DeploymentChoice }
  | { readonly kind: 'help' }
  | { readonly kind: 'wrong'; readonly problem: string }

export function readCommandLine(args: readonly string[]): CommandLine {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        metadata: { type: 'string', default: 'memory' },
        messaging: { type: 'string', default: 'tcp' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) return { kind: 'help' }
    const metadata = oneOf('--metadata', values.metadata, storeNames)
    const messaging = oneOf('--messaging', values.messaging, transportNames)
    return { kind: 'run', choice: { metadata, messaging } }
  } catch (error) {
    return { kind: 'wrong', problem: error instanceof Error ? error.message : String(error) }
  }
}

function oneOf<Name extends string>(option: string, name: string, names: readonly Name[]): Name {
  const found = names.find((each) => each === name)
  if (found === undefined) throw new Error(`${option} is '${name}'; it must be one of ${names.join(', ')}`)
  return found
}
