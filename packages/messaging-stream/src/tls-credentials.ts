// The certificate of this node, its key, and the authority that it trusts: read from files, checked, and read again when they change. New
// connections take what was read last; a file that can't be used changes nothing.

import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { ConfigError, type LocalIdentity, type Runtime, type Timer } from '@cajun/core/adapter'
import { nodeUri, urisOf } from './channel-security.ts'

export interface TlsFiles {
  /** PEM: the authorities that sign the certificates of this cluster's nodes. No other is trusted, those of the system included. */
  readonly caFile: string
  /** PEM: this node's certificate, and after it those between it and the authority. Its SAN holds one URI: `spiffe://<clusterId>/node/<nodeId>`. */
  readonly certFile: string
  /** PEM: its private key. */
  readonly keyFile: string
  /** How often the files are looked at. New contents count for new connections. Default 10,000. */
  readonly reloadIntervalMs?: number
}

export type ResolvedTlsFiles = Required<TlsFiles>

/** What a TLS server or client is made with. TLS 1.3 alone; no session tickets, because a resumed session would outlive a certificate. */
export interface TlsMaterial {
  readonly options: SecureContextOptions
  readonly context: SecureContext
}

const SSL_OP_NO_TICKET = 0x4000

export class TlsCredentials {
  readonly #files: ResolvedTlsFiles
  readonly #runtime: Runtime
  #material: TlsMaterial | undefined
  #lastRead = ''
  #local: LocalIdentity | undefined
  #timer: Timer | undefined
  #stopped = false
  /** Called with what counts from now on. */
  onChange: ((material: TlsMaterial) => void) | undefined

  constructor(files: ResolvedTlsFiles, runtime: Runtime) {
    this.#files = files
    this.#runtime = runtime
  }

  get material(): TlsMaterial {
    if (this.#material === undefined) throw new TypeError('the certificates are not loaded yet')
    return this.#material
  }

  /** Rejects with {@link ConfigError} that names the file and what is wrong with it; what was loaded before stays. */
  async load(local: LocalIdentity): Promise<void> {
    this.#local = local
    const { caFile, certFile, keyFile } = this.#files
    const [ca, cert, key] = await Promise.all([read('caFile', caFile), read('certFile', certFile), read('keyFile', keyFile)])
    const contents = `${ca}\0${cert}\0${key}`
    if (contents === this.#lastRead) return
    this.#checkCertificate(cert, key, local)
    parsed('caFile', caFile, () => new X509Certificate(ca))
    const options: SecureContextOptions = { ca, cert, key, minVersion: 'TLSv1.3', secureOptions: SSL_OP_NO_TICKET }
    const context = parsed('certFile', certFile, () => createSecureContext(options))
    this.#lastRead = contents
    this.#material = { options, context }
    this.onChange?.(this.#material)
  }

  /** Looks again and again, until `stop`. A problem is reported once. */
  watch(onError: (error: Error) => void, reported = ''): void {
    if (this.#stopped) return
    this.#timer = this.#runtime.setTimer(async () => {
      let problem = ''
      try {
        if (this.#local !== undefined) await this.load(this.#local)
      } catch (error) {
        problem = (error as Error).message
        if (problem !== reported && !this.#stopped) onError(error as Error)
      }
      this.watch(onError, problem)
    }, this.#files.reloadIntervalMs)
  }

  stop(): void {
    this.#stopped = true
    this.#timer?.cancel()
  }

  #checkCertificate(cert: string, key: string, local: LocalIdentity): void {
    const { certFile, keyFile } = this.#files
    const certificate = parsed('certFile', certFile, () => new X509Certificate(cert))
    const privateKey = parsed('keyFile', keyFile, () => createPrivateKey(key))
    if (!certificate.checkPrivateKey(privateKey)) {
      throw new ConfigError(`option tls.keyFile is ${keyFile}: it is not the key of the certificate in ${certFile}`)
    }
    const uri = nodeUri(local.clusterId, local.nodeId)
    const uris = urisOf(certificate.subjectAltName)
    if (uris.length !== 1 || uris[0] !== uri) {
      const found = uris.length === 0 ? 'no URI' : uris.map((name) => `'${name}'`).join(', ')
      throw new ConfigError(`option tls.certFile is ${certFile}: its SAN must hold the one URI '${uri}'; it holds ${found}`)
    }
    if (Date.parse(certificate.validTo) <= this.#runtime.wallMs()) {
      throw new ConfigError(`option tls.certFile is ${certFile}: the certificate was valid until ${certificate.validTo}`)
    }
  }
}

async function read(option: string, path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    throw new ConfigError(`option tls.${option} is ${path}: it can't be read (${(error as NodeJS.ErrnoException).code})`, { cause: error })
  }
}

function parsed<T>(option: string, path: string, parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    throw new ConfigError(`option tls.${option} is ${path}: it does not hold what it should (${(error as Error).message})`)
  }
}
