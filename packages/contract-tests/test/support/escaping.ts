// A process from which a rejection and an error escape; it says what was collected.

import { setTimeout as sleep } from 'node:timers/promises'
import { collectUnhandled } from '../../src/unhandled.ts'

const errors = collectUnhandled()
void Promise.reject(new Error('rejected'))
setImmediate(() => {
  throw new Error('thrown')
})
await sleep(50)
console.log(JSON.stringify(errors.stop().map((error) => (error as Error).message)))
