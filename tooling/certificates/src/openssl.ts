// The openssl program: it is there wherever servers with TLS are, is maintained by those who maintain TLS, and makes certificates as people would.

import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

/** Rejects with what the program said. */
export async function openssl(...args: readonly string[]): Promise<void> {
  try {
    await promisify(execFile)('openssl', args, { timeout: 10_000 })
  } catch (error) {
    const { code, stderr, message } = error as { code?: unknown; stderr?: string; message: string }
    if (code === 'ENOENT') throw new Error('the program openssl was not found; install it (apt-get install openssl, brew install openssl)')
    throw new Error(`openssl ${args[0]}: ${stderr?.trim() || message}`)
  }
}

/** A new key on the curve P-256, unencrypted. */
export const newKey: readonly string[] = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes']
