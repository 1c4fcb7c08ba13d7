// One version number for everything that the releases of a rolling upgrade exchange: frames, control messages, and documents in the store. A release reads
// and can write a range; writers use the highest version that everybody reads, which is the lowest of what is registered.

export interface ProtocolRange {
  readonly min: number
  readonly max: number
}

/** Of this release. Gotcha: raise `max` with every change of frames, control messages or documents that older releases can't read, and go on writing the older form under `min`. */
export const PROTOCOL: ProtocolRange = { min: 1, max: 1 }

/** What a process that reads `own` writes beside others that read `readers`. Ranges that don't overlap don't meet: the later one is refused when it joins. */
export function versionInUse(own: ProtocolRange, readers: Iterable<Pick<ProtocolRange, 'max'>>): number {
  let version = own.max
  for (const { max } of readers) version = Math.min(version, max)
  return Math.max(own.min, version)
}

export function rangeInWords({ min, max }: ProtocolRange): string {
  return min === max ? `version ${min}` : `versions ${min} to ${max}`
}
