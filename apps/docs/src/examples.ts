// The programs in READMEs and guides: each ```ts block that begins with an import is one, and what it prints stands behind the
// `console.log` that prints it. Other blocks are fragments, for reading only.

export interface Example {
  /** Where its first line stands in the document. */
  readonly line: number
  readonly source: string
  /** One for each comment behind a `console.log`, in the order of the text. */
  readonly prints: readonly string[]
}

export function examplesOf(markdown: string): Example[] {
  const examples: Example[] = []
  let block: string[] | undefined
  for (const [index, text] of markdown.split('\n').entries()) {
    if (block === undefined) {
      if (text === '```ts') block = []
    } else if (text !== '```') {
      block.push(text)
    } else {
      if (block[0]?.startsWith('import ')) examples.push(exampleOf(block, index - block.length + 1))
      block = undefined
    }
  }
  return examples
}

function exampleOf(lines: readonly string[], line: number): Example {
  const prints = lines.flatMap((text) => /console\.log\(.*\) \/\/ (.+)$/.exec(text)?.[1] ?? [])
  return { line, source: lines.join('\n'), prints }
}
