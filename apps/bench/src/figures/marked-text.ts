// The marked sections of a document: what stands between the two comments is written by the bench, everything else by people.
//
//   <!-- figures: stores etcd -->
//   …
//   <!-- /figures -->

const OPENING = /^<!-- figures: (\S+) ?(.*?) -->$/
const CLOSING = '<!-- /figures -->'

/** Shows the figures that a section asks for: its first word names the view, the rest are the view's arguments, separated by `|`. */
export type Render = (view: string, args: readonly string[]) => string

/** Errors name the line. */
export function renderMarked(text: string, render: Render): string {
  const written: string[] = []
  let openedAt: number | undefined
  for (const [index, line] of text.split('\n').entries()) {
    const opening = OPENING.exec(line)
    if (opening !== null) {
      if (openedAt !== undefined) throw new Error(`line ${index + 1}: a section of figures within the one of line ${openedAt}`)
      openedAt = index + 1
      written.push(line, '', contentOf(opening, index + 1, render), '')
    } else if (line === CLOSING) {
      if (openedAt === undefined) throw new Error(`line ${index + 1}: a section of figures ends that did not begin`)
      openedAt = undefined
      written.push(line)
    } else if (line.includes('<!-- figures') || line.includes('/figures -->')) {
      throw new Error(`line ${index + 1}: '${line.trim()}' is no '<!-- figures: view arguments -->' and no '${CLOSING}'`)
    } else if (openedAt === undefined) {
      written.push(line)
    }
  }
  if (openedAt !== undefined) throw new Error(`line ${openedAt}: a section of figures has no '${CLOSING}'`)
  return written.join('\n')
}

function contentOf([, view = '', rest = '']: RegExpExecArray, line: number, render: Render): string {
  const args = rest === '' ? [] : rest.split('|').map((each) => each.trim())
  try {
    return render(view, args)
  } catch (error) {
    throw new Error(`line ${line}: ${error instanceof Error ? error.message : error}`, { cause: error })
  }
}
