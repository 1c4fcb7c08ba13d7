// The version of a write that has to succeed.

import assert from 'node:assert/strict'
import type { WriteResult } from '@cajun/core/adapter'

export async function written(write: Promise<WriteResult>): Promise<string> {
  const result = await write
  if (!result.ok) assert.fail(`the write was refused: ${result.conflict}`)
  return result.version
}
