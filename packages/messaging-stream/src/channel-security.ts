// What TLS says about a channel, and how a node is named in a certificate. No sockets: the carrier fills it in.

export interface ChannelSecurity {
  /** The URIs among the names of the other side's certificate, which was verified against the authority, its dates included. */
  readonly peerUris: readonly string[]
  /**
   * A value that both ends of this very TLS channel have and nobody else: the "tls-exporter" channel binding of RFC 9266, 32 bytes. One who stands in
   * the middle has two channels, and two values.
   */
  readonly binding: Uint8Array
}

export const BINDING_LABEL = 'EXPORTER-Channel-Binding'
export const BINDING_BYTES = 32

/**
 * How a node is named in the SAN of its certificate. In the form of a SPIFFE id; what its path does not allow in an id is percent-encoded.
 * Gotcha: certificates carry it, so it never changes.
 */
export function nodeUri(clusterId: string, nodeId: string): string {
  return `spiffe://${encodeURIComponent(clusterId)}/node/${encodeURIComponent(nodeId)}`
}

/**
 * The URIs in Node's text form of subject alternative names: `URI:spiffe://c/node/a, DNS:a.internal`. Node quotes, as JSON, a name that holds a comma or a quote; such
 * a name must not become two.
 */
export function urisOf(subjectAltName: string | undefined): string[] {
  const uris: string[] = []
  for (const [, kind, quoted, plain] of (subjectAltName ?? '').matchAll(/([^:,\s]+):(?:"((?:[^"\\]|\\.)*)"|([^,]*))(?:, |$)/gy)) {
    if (kind === 'URI') uris.push(quoted === undefined ? (plain ?? '') : `"${quoted}"`)
  }
  return uris
}
