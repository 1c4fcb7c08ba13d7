// Runs the programs of the documents as a reader would: each in a process of its own, over real sockets. It must print what it says.

import { execFile } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join, relative } from 'node:path'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { examplesOf } from '../src/examples.ts'

const docs = join(import.meta.dirname, '..')
const root = join(docs, '../..')
const documents = [join(root, 'README.md'), join(root, 'packages/core/README.md'), ...globSync(join(docs, 'guides/*.md'))]

async function output(source: string): Promise<string[]> {
  // Within this package, where the imports of the examples resolve.
  const folder = await mkdtemp(join(docs, '.example-'))
  try {
    const file = join(folder, 'example.ts')
    await writeFile(file, source)
    const { stdout } = await promisify(execFile)(process.execPath, ['--conditions=@cajun/source', file], { timeout: 30_000 })
    return stdout.trimEnd().split('\n')
  } finally {
    await rm(folder, { recursive: true })
  }
}

for (const document of documents) {
  const examples = examplesOf(readFileSync(document, 'utf8'))
  if (examples.length === 0) continue
  describe(relative(root, document), () => {
    it.each(examples)('line $line prints what it says', async ({ source, prints }) => {
      expect(prints.length).toBeGreaterThan(0)
      expect(await output(source)).toEqual(prints)
    })
  })
}
