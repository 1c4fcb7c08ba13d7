import { describe, expect, it } from 'vitest'
import { examplesOf } from '../src/examples.ts'

describe('the examples of a document', () => {
  it('are its blocks of TypeScript that begin with an import, with what they print', () => {
    const text = ['# A', '```ts', "import { a } from 'a'", 'console.log(a(1)) // 1', "console.log('x') // x y", '```', 'text'].join('\n')
    expect(examplesOf(text)).toEqual([
      { line: 3, source: "import { a } from 'a'\nconsole.log(a(1)) // 1\nconsole.log('x') // x y", prints: ['1', 'x y'] },
    ])
  })

  it('are neither fragments, nor blocks of other languages, nor what is not closed', () => {
    expect(examplesOf('```ts\nconst a = 1\n```\n```sh\nimport x\n```\n```ts\nimport a from "a"')).toEqual([])
  })
})
