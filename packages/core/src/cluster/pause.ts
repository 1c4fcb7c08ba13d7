// Waiting within asynchronous code of the cluster: for a while, or for a promise with a deadline; both end early by a signal.

import type { Runtime } from '../runtime/runtime.ts'

/** Resolves after `delayMs`, or as soon as `signal` is aborted. Never rejects. */
export function pause(runtime: Runtime, delayMs: number, signal?: AbortSignal): Promise<void> {
  if (signal?.aborted === true) return Promise.resolve()
  return new Promise((resolve) => {
    const end = (): void => {
      timer.cancel()
      signal?.removeEventListener('abort', end)
      resolve()
    }
    const timer = runtime.setTimer(end, delayMs)
    signal?.addEventListener('abort', end, { once: true })
  })
}

/** Settles as `promise` does, or rejects with what `late` makes after `timeoutMs`. The promise itself goes on, its failure then unheard. */
export function within<T>(runtime: Runtime, promise: Promise<T>, timeoutMs: number, late: () => Error): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = runtime.setTimer(() => reject(late()), timeoutMs)
    promise.then(
      (value) => {
        timer.cancel()
        resolve(value)
      },
      (error: unknown) => {
        timer.cancel()
        reject(error)
      },
    )
  })
}
