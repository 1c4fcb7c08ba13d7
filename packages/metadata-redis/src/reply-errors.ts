// What an error of Redis means for a write.

import type { Fate } from '@cajun/core/adapter'

/** The server answered that it did nothing, and may do it in a moment: it loads its data, has lost its primary, is a replica now, or has too few. */
const LATER = /^(LOADING|MASTERDOWN|CLUSTERDOWN|TRYAGAIN|READONLY|BUSY|NOREPLICAS)\b/

export function classifyRedisError(error: unknown): Fate {
  if (!(error instanceof Error)) return 'in-doubt'
  if (error.name !== 'ReplyError') return 'in-doubt'
  return LATER.test(error.message) ? 'not-applied' : 'refused'
}
