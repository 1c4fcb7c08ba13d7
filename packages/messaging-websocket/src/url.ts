// The form of this transport's addresses: `ws://host:port/path`, or `wss://…`.

/** Undefined: it is not an address of this transport. */
export function parseUrl(address: string): URL | undefined {
  const url = URL.canParse(address) ? new URL(address) : undefined
  if (url === undefined || (url.protocol !== 'ws:' && url.protocol !== 'wss:') || url.hash !== '' || url.hostname === '') return undefined
  return url
}

/** Where a URL leads to, as `net.connect` takes it. */
export function hostAndPort(url: URL): { readonly host: string; readonly port: number } {
  const host = url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname
  return { host, port: url.port === '' ? (url.protocol === 'wss:' ? 443 : 80) : Number(url.port) }
}
