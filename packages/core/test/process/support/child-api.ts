// The child's half of child-node.ts: serves functions to the parent, and ends when the parent does.

type Functions = Record<string, (...args: never[]) => unknown>

/** From now on the parent may call these. The process ends with its parent; the IPC channel alone does not keep it alive after `leave`. */
export function serve(functions: Functions): void {
  process.on('disconnect', () => process.exit(0))
  process.on('message', (message: { id: number; method: string; args: never[] }) => {
    void (async () => {
      try {
        const served = functions[message.method]
        if (served === undefined) throw new Error(`the child does not serve '${message.method}'`)
        send({ id: message.id, value: await served(...message.args) })
      } catch (error) {
        send({ id: message.id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) })
      }
    })()
  })
  send({ id: 0, value: undefined })
}

/** Tells the parent something that it did not ask for. */
export function report(report: unknown): void {
  send({ report })
}

/** Lets go of the parent: the process goes on for as long as something else keeps it alive. */
export function leave(): void {
  process.removeAllListeners('disconnect')
  process.disconnect()
}

function send(message: object): void {
  if (process.connected) process.send?.(message)
}
