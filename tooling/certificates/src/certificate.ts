// Certificates that an authority signs: `<name>.pem` and `<name>-key.pem` in its folder, written anew each time.

import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Authority } from './authority.ts'
import { newKey, openssl } from './openssl.ts'

/** Subject alternative names. */
export interface Names {
  readonly uris?: readonly string[]
  readonly hosts?: readonly string[]
}

export interface Certificate {
  readonly certFile: string
  readonly keyFile: string
}

/** `days`: how long it is valid from now; negative: it has expired. Default 30. For servers and for clients. */
export async function issueCertificate(
  authority: Authority,
  name: string,
  names: Names,
  options: { readonly days?: number } = {},
): Promise<Certificate> {
  const made: Certificate = { certFile: join(authority.folder, `${name}.pem`), keyFile: join(authority.folder, `${name}-key.pem`) }
  // Next to where it goes, so that each file is replaced as a whole.
  const work = await mkdtemp(join(authority.folder, '.new-'))
  try {
    const [request, extensions, cert, key] = ['request', 'extensions', 'cert', 'key'].map((file) => join(work, file)) as [
      string,
      string,
      string,
      string,
    ]
    await openssl('req', '-new', ...newKey, '-subj', '/CN=Cajun node', '-keyout', key, '-out', request)
    await writeFile(extensions, extensionsOf(names))
    await openssl(
      ...[
        'x509',
        '-req',
        '-in',
        request,
        '-CA',
        authority.caFile,
        '-CAkey',
        authority.caKeyFile,
        '-CAserial',
        join(work, 'serial'),
        '-CAcreateserial',
      ],
      ...['-days', String(options.days ?? 30), '-extfile', extensions, '-out', cert],
    )
    await chmod(key, 0o600)
    await rename(key, made.keyFile)
    await rename(cert, made.certFile)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
  return made
}

/**
 * As the TCP and WebSocket transports want it in option `tls`. The form of the name is theirs, and never changes; it is written here once more because their tests
 * use this package: every one of them that lets a node in would fail if the two differed.
 */
export function issueNodeCertificate(
  authority: Authority,
  clusterId: string,
  nodeId: string,
  options: { readonly days?: number; readonly hosts?: readonly string[] } = {},
): Promise<Certificate> {
  const { hosts = [], ...rest } = options
  const uri = `spiffe://${encodeURIComponent(clusterId)}/node/${encodeURIComponent(nodeId)}`
  return issueCertificate(authority, encodeURIComponent(nodeId), { uris: [uri], hosts }, rest)
}

/** For a server on loopback, good for a day, which is its own authority: `cert.pem` and `key.pem` in the folder. */
export async function selfSignedCertificate(folder: string): Promise<Certificate> {
  const made: Certificate = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') }
  await openssl(
    ...['req', '-x509', ...newKey, '-days', '1', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'],
    ...['-keyout', made.keyFile, '-out', made.certFile],
  )
  return made
}

function extensionsOf({ uris = [], hosts = [] }: Names): string {
  const all = [...uris.map((uri) => `URI:${uri}`), ...hosts.map((host) => `DNS:${host}`)]
  for (const name of all) if (/[,\s"$\\]/.test(name)) throw new Error(`'${name}' can't be a name in a certificate`)
  return [
    `subjectAltName=${all.join(',')}`,
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature',
    'extendedKeyUsage=serverAuth,clientAuth',
    '',
  ].join('\n')
}
