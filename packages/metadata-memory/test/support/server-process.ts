// An embedded store served by another process, which can be frozen, killed and started again on the same port.

import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('./server-main.ts', import.meta.url))

export class ServerProcess implements AsyncDisposable {
  port = 0
  #child: ChildProcess | undefined
  #frozen = false

  static async start(): Promise<ServerProcess> {
    const server = new ServerProcess()
    await server.#spawn()
    return server
  }

  get url(): string {
    return `tcp://127.0.0.1:${this.port}`
  }

  get pid(): number {
    return this.#child?.pid as number
  }

  freeze(): void {
    this.#child?.kill('SIGSTOP')
    this.#frozen = true
  }

  async kill(): Promise<void> {
    const child = this.#child
    this.#child = undefined
    this.#frozen = false
    if (child === undefined) return
    const gone = once(child, 'exit')
    child.kill('SIGKILL')
    await gone
  }

  /** Running again, whatever was done to it: thawed, or started anew on the same port. */
  async restore(): Promise<void> {
    if (this.#child === undefined) await this.#spawn()
    if (this.#frozen) this.#child?.kill('SIGCONT')
    this.#frozen = false
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill()
  }

  async #spawn(): Promise<void> {
    const child = spawn(process.execPath, ['--conditions=@cajun/source', MAIN, String(this.port)], { stdio: ['pipe', 'pipe', 'inherit'] })
    this.#child = child
    const url = await new Promise<string>((resolve, reject) => {
      child.stdout?.once('data', (line) => resolve(String(line).trim()))
      child.once('exit', (code) => reject(new Error(`the server process ended with ${code} before it listened`)))
    })
    this.port = Number(new URL(url).port)
  }
}
