// A certificate for loopback, good for a day, which is its own authority.

import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Certificate } from './server-kind.ts'

export async function makeCertificate(folder: string): Promise<Certificate> {
  const made: Certificate = { certFile: join(folder, 'cert.pem'), keyFile: join(folder, 'key.pem') }
  const args = [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '1', '-subj', '/CN=localhost'],
    ...['-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1', '-keyout', made.keyFile, '-out', made.certFile],
  ]
  await promisify(execFile)('openssl', args, { timeout: 10_000 })
  return made
}
