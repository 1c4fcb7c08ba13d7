// Where core writes what an operator should know. Any logger with these four methods will do (pino and console-like ones have them).

export interface Logger {
  debug(message: string, fields?: object): void
  info(message: string, fields?: object): void
  warn(message: string, fields?: object): void
  error(message: string, fields?: object): void
  /** A logger that adds `bindings` to each line. Absent: core adds them itself. */
  child?(bindings: object): Logger
}

export type LogLevel = 'debug' | 'info' | 'warn' | 'error' | 'silent'

const rank: Record<LogLevel, number> = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 }

/** Writes to the console, from `level` (default `warn`) upwards. */
export class ConsoleLogger implements Logger {
  readonly #level: LogLevel
  readonly #bindings: object

  constructor(level: LogLevel = 'warn', bindings: object = {}) {
    this.#level = level
    this.#bindings = bindings
  }

  debug(message: string, fields?: object): void {
    if (rank[this.#level] <= 0) console.debug(message, { ...this.#bindings, ...fields })
  }

  info(message: string, fields?: object): void {
    if (rank[this.#level] <= 1) console.info(message, { ...this.#bindings, ...fields })
  }

  warn(message: string, fields?: object): void {
    if (rank[this.#level] <= 2) console.warn(message, { ...this.#bindings, ...fields })
  }

  error(message: string, fields?: object): void {
    if (rank[this.#level] <= 3) console.error(message, { ...this.#bindings, ...fields })
  }

  child(bindings: object): Logger {
    return new ConsoleLogger(this.#level, { ...this.#bindings, ...bindings })
  }
}

/** A logger that adds `bindings` to each line, whether or not `logger` knows `child`. A logger that throws never breaks the system. */
export function childLogger(logger: Logger, bindings: object): Logger {
  return new SafeLogger(logger, bindings)
}

class SafeLogger implements Logger {
  readonly #logger: Logger
  readonly #bindings: object

  constructor(logger: Logger, bindings: object) {
    this.#logger = logger
    this.#bindings = bindings
  }

  debug(message: string, fields?: object): void {
    this.#write('debug', message, fields)
  }

  info(message: string, fields?: object): void {
    this.#write('info', message, fields)
  }

  warn(message: string, fields?: object): void {
    this.#write('warn', message, fields)
  }

  error(message: string, fields?: object): void {
    this.#write('error', message, fields)
  }

  child(bindings: object): Logger {
    return new SafeLogger(this.#logger, { ...this.#bindings, ...bindings })
  }

  #write(level: 'debug' | 'info' | 'warn' | 'error', message: string, fields: object | undefined): void {
    try {
      this.#logger[level](message, { ...this.#bindings, ...fields })
    } catch {
      // There is nowhere left to say so.
    }
  }
}
