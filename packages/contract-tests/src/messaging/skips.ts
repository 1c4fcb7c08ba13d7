// Reasons for which a case can't be run, in words that a test report shows.

import type { MessagingContext } from './context.ts'
import type { MessagingHarness } from './harness.ts'

type Fault = keyof Pick<
  MessagingHarness,
  'cut' | 'drop' | 'freeze' | 'intrude' | 'garble' | 'connections' | 'attempts' | 'fixedAddresses' | 'broker'
>

const reasons: Record<Fault, string> = {
  cut: "the harness can't cut the network (cut, restore)",
  drop: "the harness can't break a connection (drop)",
  freeze: "the harness can't freeze a process (freeze, thaw)",
  intrude: 'the harness has no way for strangers (intrude)',
  garble: "the harness can't put bytes on a connection (garble)",
  connections: "the harness can't count connections (connections)",
  attempts: "the harness can't count attempts to connect (attempts)",
  broker: "nothing stands between the nodes, or the harness can't break it (broker)",
  fixedAddresses: 'addresses can not be taken (fixedAddresses)',
}

export function without(...needed: Fault[]): (context: MessagingContext) => string | undefined {
  return ({ harness }) => {
    const missing = needed.find((name) => harness[name] === undefined || harness[name] === false)
    return missing && reasons[missing]
  }
}
