// `test:unit` stays under a minute because no unit test opens a socket or starts a process: those are `*.process.test.ts`.

import { parse } from './parse.ts'
import { type Finding, lineAt, type SourceFile } from './source-file.ts'

const OUTSIDE = new Set(['child_process', 'cluster', 'dgram', 'http', 'http2', 'https', 'net', 'tls', 'worker_threads'])

export function checkUnitTest(file: SourceFile): Finding[] {
  if (!/\.test\.ts$/.test(file.path) || /\.process\.test\.ts$/.test(file.path)) return []
  return parse(file)
    .imports.filter(({ specifier }) => OUTSIDE.has(specifier.replace(/^node:/, '')))
    .map(({ specifier, offset }) => ({
      path: file.path,
      line: lineAt(file.text, offset),
      problem: `a unit test imports ${specifier}; name it *.process.test.ts`,
    }))
}
