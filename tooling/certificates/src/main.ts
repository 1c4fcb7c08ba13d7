// `pnpm certificates`: a development authority and the certificates of nodes, ready for option `tls`.

import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { join, relative, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { openAuthority } from './authority.ts'
import { issueNodeCertificate } from './certificate.ts'

const usage = `Usage: pnpm certificates --cluster ID --node ID [--node ID …] [--out FOLDER] [--days N] [--host NAME …]

Makes, in FOLDER (default ./certificates), unless they are there: ca.pem and ca-key.pem (an authority for development) and secret.txt (the shared secret);
and anew for each node: NODE.pem and NODE-key.pem, valid for N days (default 30), with spiffe://ID/node/NODE as their name.
--host adds host names, for WebSocket servers that browsers and proxies reach too.`

let options: ReturnType<typeof parse>
try {
  options = parse()
} catch (error) {
  console.error(`${(error as Error).message}\n\n${usage}`)
  process.exit(2)
}

if (options === undefined) console.log(usage)
else {
  const { cluster, nodes, folder, days, hosts } = options
  try {
    const authority = await openAuthority(folder)
    const secretFile = join(folder, 'secret.txt')
    if (!existsSync(secretFile)) await writeFile(secretFile, randomBytes(32).toString('base64'), { mode: 0o600 })
    const shown = (path: string): string => relative(process.cwd(), path)
    console.log(`authority  ${shown(authority.caFile)}\nsecret     ${shown(secretFile)}`)
    for (const nodeId of nodes) {
      const { certFile, keyFile } = await issueNodeCertificate(authority, cluster, nodeId, { days, hosts })
      console.log(`${nodeId.padEnd(10)} ${shown(certFile)}, ${shown(keyFile)}`)
    }
  } catch (error) {
    console.error((error as Error).message)
    process.exitCode = 1
  }
}

function parse() {
  const { values } = parseArgs({
    options: {
      cluster: { type: 'string' },
      node: { type: 'string', multiple: true },
      host: { type: 'string', multiple: true },
      out: { type: 'string', default: 'certificates' },
      days: { type: 'string', default: '30' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help === true) return undefined
  const days = Number(values.days)
  if (!Number.isInteger(days) || days < 1 || days > 3_650)
    throw new Error(`--days is ${values.days}; it must be a whole number from 1 to 3650`)
  if (!values.cluster) throw new Error('--cluster is missing: the clusterId of the nodes')
  if (values.node === undefined || values.node.includes(''))
    throw new Error('--node is missing: the id of each node that needs a certificate')
  return { cluster: values.cluster, nodes: values.node, folder: resolve(values.out), days, hosts: values.host ?? [] }
}
