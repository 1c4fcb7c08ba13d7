// A server that is a container: docker's verbs for the same things. The watchdog removes it with its volumes when the user is gone.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import type { Control } from './backend.ts'
import { freePort } from './free-port.ts'
import type { GuardedProcess } from './guarded-process.ts'
import type { ServerKind } from './server-kind.ts'

const docker = (...args: string[]): Promise<{ stdout: string }> => promisify(execFile)('docker', args, { timeout: 120_000 })

export class ContainerControl implements Control {
  readonly port: number
  readonly pid = undefined
  readonly exit = undefined
  readonly #container: string

  private constructor(container: string, port: number) {
    this.#container = container
    this.port = port
  }

  static async create(kind: ServerKind, guard: GuardedProcess): Promise<ContainerControl> {
    const name = `cajun-backend-${kind.name}-${process.pid}-${Math.random().toString(36).slice(2, 8)}`
    // First what removes it, then what makes it: nothing is left behind whenever this process ends.
    await guard.ask({ op: 'cleanup', argv: ['docker', 'rm', '--force', '--volumes', name] })
    // A port of our choice: one of Docker's choice would be another after a restart.
    const port = await freePort()
    await docker(
      'create',
      '--name',
      name,
      '--publish',
      `127.0.0.1:${port}:${kind.containerPort}`,
      ...Object.entries(kind.containerEnv?.(port) ?? {}).flatMap(([name, value]) => ['--env', `${name}=${value}`]),
      kind.image,
      ...(kind.containerCommand ?? []),
    )
    return new ContainerControl(name, port)
  }

  async start(): Promise<void> {
    await docker('start', this.#container)
  }

  async kill(): Promise<void> {
    await docker('kill', this.#container)
  }

  async freeze(): Promise<void> {
    await docker('pause', this.#container)
  }

  async thaw(): Promise<void> {
    await docker('unpause', this.#container)
  }
}
