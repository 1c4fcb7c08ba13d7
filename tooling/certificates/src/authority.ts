// The authority of a development cluster: a folder with `ca.pem` and `ca-key.pem`, made when it is not there.

import { existsSync } from 'node:fs'
import { chmod, mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { newKey, openssl } from './openssl.ts'

export interface Authority {
  readonly folder: string
  readonly caFile: string
  readonly caKeyFile: string
}

/** The one in the folder, or a new one. */
export async function openAuthority(folder: string, options: { readonly days?: number } = {}): Promise<Authority> {
  await mkdir(folder, { recursive: true })
  const authority: Authority = { folder, caFile: join(folder, 'ca.pem'), caKeyFile: join(folder, 'ca-key.pem') }
  if (existsSync(authority.caFile) && existsSync(authority.caKeyFile)) return authority
  await openssl(
    ...['req', '-x509', ...newKey, '-days', String(options.days ?? 365), '-subj', '/CN=Cajun development authority'],
    ...['-addext', 'basicConstraints=critical,CA:TRUE,pathlen:0', '-addext', 'keyUsage=critical,keyCertSign,cRLSign'],
    ...['-keyout', authority.caKeyFile, '-out', authority.caFile],
  )
  await chmod(authority.caKeyFile, 0o600)
  return authority
}
