// Collects what escapes from code under test: unhandled rejections and uncaught errors.

export interface UnhandledErrors {
  /** Ends the collecting, and returns what there was. */
  stop(): readonly unknown[]
}

export function collectUnhandled(): UnhandledErrors {
  const escaped: unknown[] = []
  const collect = (error: unknown): void => {
    escaped.push(error)
  }
  process.on('unhandledRejection', collect)
  process.on('uncaughtException', collect)
  return {
    stop() {
      process.off('unhandledRejection', collect)
      process.off('uncaughtException', collect)
      return escaped
    },
  }
}
