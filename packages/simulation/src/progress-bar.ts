// How far a long run is: one line that is rewritten in a terminal, and a line now and then elsewhere.

export class ProgressBar {
  readonly #total: number
  readonly #startedMs = performance.now()
  readonly #output: NodeJS.WriteStream
  #shownMs = Number.NEGATIVE_INFINITY

  constructor(total: number, output: NodeJS.WriteStream = process.stderr) {
    this.#total = total
    this.#output = output
  }

  update(done: number, failed: number): void {
    const now = performance.now()
    const { isTTY } = this.#output
    if (done < this.#total && now - this.#shownMs < (isTTY ? 100 : 10_000)) return
    this.#shownMs = now
    const share = done / this.#total
    const width = 30
    const filled = Math.round(share * width)
    const restS = ((now - this.#startedMs) / 1_000 / Math.max(done, 1)) * (this.#total - done)
    const text = `[${'█'.repeat(filled)}${'·'.repeat(width - filled)}] ${done}/${this.#total} seeds, ${failed} failed, ${restS.toFixed(0)} s left`
    this.#output.write(isTTY ? `\r${text}\u001b[K` : `${text}\n`)
  }

  end(): void {
    if (this.#output.isTTY) this.#output.write('\n')
  }
}
