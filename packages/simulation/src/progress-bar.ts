// How far a long run is: one line that is rewritten in a terminal, and a line now and then elsewhere.

export class ProgressBar {
  readonly #total: number | undefined
  readonly #limitMs: number
  readonly #startedMs = performance.now()
  readonly #output: NodeJS.WriteStream
  #shownMs = Number.NEGATIVE_INFINITY

  /** Undefined: as many as there is time for. */
  constructor(
    { total, limitMs = Number.POSITIVE_INFINITY }: { readonly total: number | undefined; readonly limitMs: number | undefined },
    output: NodeJS.WriteStream = process.stderr,
  ) {
    this.#total = total
    this.#limitMs = limitMs
    this.#output = output
  }

  update(done: number, failed: number): void {
    const now = performance.now()
    const { isTTY } = this.#output
    const isLast = done === this.#total
    if (!isLast && now - this.#shownMs < (isTTY ? 100 : 10_000)) return
    this.#shownMs = now
    const elapsedMs = now - this.#startedMs
    const byCountMs = this.#total === undefined ? Number.POSITIVE_INFINITY : (elapsedMs / Math.max(done, 1)) * (this.#total - done)
    const leftMs = Math.max(0, Math.min(byCountMs, this.#limitMs - elapsedMs))
    const width = 30
    const filled = isLast ? width : Math.floor((elapsedMs / (elapsedMs + leftMs)) * width)
    const of = this.#total === undefined ? '' : `/${this.#total}`
    const text = `[${'█'.repeat(filled)}${'·'.repeat(width - filled)}] ${done}${of} seeds, ${failed} failed, ${(leftMs / 1_000).toFixed(0)} s left`
    this.#output.write(isTTY ? `\r${text}\u001b[K` : `${text}\n`)
  }

  end(): void {
    if (this.#output.isTTY) this.#output.write('\n')
  }
}
