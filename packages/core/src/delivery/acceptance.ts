// Whether a message may run here: the comparison of epochs on which single ownership rests. Pure, and the only place that makes it.

import type { Location } from './placement-view.ts'
import type { Tenure } from './tenure.ts'

export type Verdict =
  /** It is the owner's, under exactly its epoch. */
  | 'accept'
  /** The sender knows more than this process, or the tenure is about to open: the message stays, with all behind it in its stream. */
  | 'park'
  /** The sender's view is old: it is told who owns the unit, and sends again. */
  | 'moved'
  /** The tenure under this epoch is being handed over; every way out of that is a higher epoch, under which the sender sends again. */
  | 'drop'

/** `tenure`: of this process for the message's actor, if any; `location`: what this process's view says; `epoch`: what the sender believes. */
export function judge(tenure: Tenure | undefined, location: Location | undefined, epoch: number): Verdict {
  if (tenure !== undefined) {
    if (epoch === tenure.epoch) return tenure.isAccepting ? 'accept' : 'drop'
    return epoch < tenure.epoch ? 'moved' : 'park'
  }
  return epoch < (location?.epoch ?? -1) ? 'moved' : 'park'
}
