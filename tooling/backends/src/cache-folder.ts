// Where what was fetched is kept for the next run. The folder may be deleted at any time.

import { homedir } from 'node:os'
import { join } from 'node:path'

export function cacheFolder(): string {
  return process.env['CAJUN_BACKENDS_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'cajun-backends')
}
