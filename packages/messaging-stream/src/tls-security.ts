// TLS as nodes speak it: how a server and a client are made, and what a socket says about the other side.

import type { ConnectionOptions, TLSSocket, TlsOptions } from 'node:tls'
import { ProtocolError } from '@cajun/core/adapter'
import { BINDING_BYTES, BINDING_LABEL, type ChannelSecurity, urisOf } from './channel-security.ts'
import type { TlsMaterial } from './tls-credentials.ts'

/** Both sides show a certificate, and nobody without a good one gets a byte through. */
export function tlsServerOptions(material: TlsMaterial, connectTimeoutMs: number): TlsOptions {
  return { ...material.options, requestCert: true, rejectUnauthorized: true, handshakeTimeout: connectTimeoutMs }
}

/** The certificate is not compared with the host: the handshake compares it with the node that was wanted, wherever that one runs. */
export function tlsClientOptions(material: TlsMaterial): ConnectionOptions {
  return { secureContext: material.context, rejectUnauthorized: true, checkServerIdentity: () => undefined }
}

/** Of a socket whose TLS handshake is complete. One whose certificate was not verified has no names, whatever it says; nor has one that is gone. */
export function securityOf(socket: TLSSocket): ChannelSecurity {
  try {
    return {
      peerUris: socket.authorized ? urisOf(socket.getPeerX509Certificate()?.subjectAltName) : [],
      binding: socket.exportKeyingMaterial(BINDING_BYTES, BINDING_LABEL, Buffer.alloc(0)),
    }
  } catch {
    return { peerUris: [], binding: new Uint8Array(0) }
  }
}

/** For `tlsClientError`: undefined when somebody merely went away. */
export function tlsRefusal(error: NodeJS.ErrnoException): ProtocolError | undefined {
  if (error.code === 'ECONNRESET' || error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return undefined
  return new ProtocolError(`a connection was refused: TLS: ${error.code ?? error.message}`, { cause: error })
}
