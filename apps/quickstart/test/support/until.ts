// Waiting for what has to come about, with a bound.

export async function until(holds: () => boolean | Promise<boolean>, withinMs = 10_000): Promise<void> {
  const fromMs = Date.now()
  while (!(await holds())) {
    if (Date.now() - fromMs > withinMs) throw new Error(`it did not come about within ${withinMs} ms: ${String(holds)}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
