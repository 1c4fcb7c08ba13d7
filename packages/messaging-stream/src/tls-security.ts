// TLS as nodes speak it: how a server and a client are made, and what a socket says about the other side.

import type { ConnectionOptions, Server, TLSSocket, TlsOptions } from 'node:tls'
import { ProtocolError } from '@cajun/core/adapter'
import { BINDING_BYTES, BINDING_LABEL, type ChannelSecurity, urisOf } from './channel-security.ts'
import type { TlsMaterial } from './tls-credentials.ts'

/**
 * Both sides show a certificate. Gotcha: with `rejectUnauthorized: true` Node puts those without a good one out by itself, and tells nobody, so that an expired
 * certificate is a riddle. `reportRefusals` does both.
 */
export function tlsServerOptions(material: TlsMaterial, connectTimeoutMs: number): TlsOptions {
  return { ...material.options, requestCert: true, rejectUnauthorized: false, handshakeTimeout: connectTimeoutMs }
}

/** Puts out who has no good certificate, before anybody else sees the socket, and says what was wrong with it. */
export function reportRefusals(server: Server, onError: (error: ProtocolError) => void): void {
  server.prependListener('secureConnection', (socket: TLSSocket) => {
    if (socket.authorized) return
    socket.on('error', () => {})
    socket.destroy()
    onError(new ProtocolError(`a connection was refused: TLS: the certificate: ${socket.authorizationError}`))
  })
  server.on('tlsClientError', (error: NodeJS.ErrnoException) => {
    // Somebody merely went away.
    if (error.code === 'ECONNRESET' || error.code === 'ERR_TLS_HANDSHAKE_TIMEOUT') return
    onError(new ProtocolError(`a connection was refused: TLS: ${error.code ?? error.message}`, { cause: error }))
  })
}

/** The certificate is not compared with the host: the handshake compares it with the node that was wanted, wherever that one runs. */
export function tlsClientOptions(material: TlsMaterial): ConnectionOptions {
  return { secureContext: material.context, rejectUnauthorized: true, checkServerIdentity: () => undefined }
}

/** What a socket's error is to its connection: bytes that are no TLS are malformed, whoever put them there. */
export function channelError(error: NodeJS.ErrnoException): Error {
  if (error.code?.startsWith('ERR_SSL_') !== true) return error
  return new ProtocolError(`TLS: ${error.code}`, { cause: error })
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
