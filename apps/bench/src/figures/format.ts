// How figures are shown in documents: three significant digits, with the unit that fits.

const NANOSECONDS: Readonly<Record<string, number>> = { ns: 1, µs: 1e3, ms: 1e6, s: 1e9 }

export function shown(value: number, unit: string): string {
  const nanoseconds = NANOSECONDS[unit]
  if (nanoseconds !== undefined) return duration(value * nanoseconds)
  if (unit.endsWith('/s') && unit !== 'MB/s') return `${rate(value)}/s`
  return `${significant(value)} ${unit}`
}

function duration(ns: number): string {
  const [unit, size] = Object.entries(NANOSECONDS).findLast(([, size]) => ns >= size) ?? ['ns', 1]
  return `${significant(ns / size)} ${unit}`
}

function rate(value: number): string {
  if (value >= 1e6) return `${significant(value / 1e6)} M`
  return value >= 1e4 ? `${significant(value / 1e3)} k` : significant(value)
}

/** Three digits at least, and no more behind the point than they need. */
export function significant(value: number): string {
  const size = Math.abs(value)
  const behindPoint = size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : 2
  return value.toLocaleString('en', { minimumFractionDigits: behindPoint, maximumFractionDigits: behindPoint })
}

export function tableOf(head: readonly string[], body: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`
  return [line(head), line(head.map((_, n) => (n === 0 ? '---' : '---:'))), ...body.map(line)].join('\n')
}
