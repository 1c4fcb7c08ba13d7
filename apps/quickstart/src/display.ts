// What people see: one live line on a terminal, plain lines elsewhere, and tables.

const LIVE = process.stdout.isTTY === true
const startedAtMs = Date.now()

function clock(): string {
  return `${((Date.now() - startedAtMs) / 1_000).toFixed(1).padStart(5)}s`
}

let liveLine = false

/** Something happened: a line that stays. */
export function say(text: string): void {
  if (liveLine) process.stdout.write('\r\x1b[K')
  liveLine = false
  process.stdout.write(`${clock()}  ${text}\n`)
}

let lastPlainMs = startedAtMs

/** Progress: rewritten in place on a terminal, and a line every few seconds elsewhere. */
export function progress(text: string): void {
  if (LIVE) {
    process.stdout.write(`\r\x1b[K${clock()}  ${text}`)
    liveLine = true
    return
  }
  if (Date.now() - lastPlainMs < 3_000) return
  lastPlainMs = Date.now()
  process.stdout.write(`${clock()}  ${text}\n`)
}

export function table(header: readonly string[], rows: ReadonlyArray<readonly (string | number)[]>): string {
  const cells = [header, ...rows].map((row) => row.map(String))
  const widths = header.map((_, column) => Math.max(...cells.map((row) => (row[column] ?? '').length)))
  const line = (row: readonly string[]): string =>
    row.map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0))).join('  ')
  const [first, ...rest] = cells
  return [line(first ?? []), widths.map((width) => '-'.repeat(width)).join('  '), ...rest.map(line)].join('\n')
}
