// A planted bug: one or more places of core's source, changed. The gate makes them one at a time and demands that its seeds notice.

import type { RandomStream } from '../src/random-streams.ts'
import type { Scenario, ScenarioOptions } from '../src/scenario.ts'
import type { RuleId } from './rules.ts'

/** A place in a file below packages/core/src: it must stand there exactly once. White space at line ends and indentation need not agree. */
export interface Edit {
  readonly file: string
  readonly find: string
  readonly replace: string
}

/** What is different from the usual plan of a seed. A schedule that aims at a race makes a seed in a few of one in many thousands. */
export type Script = (random: RandomStream, scenario: Scenario) => Partial<Scenario>

export interface Mutation {
  readonly id: string
  /** The rule that it breaks, of the table in `rules.ts`. */
  readonly rule: RuleId
  /** More than one where a second rule covers the same hole; `why` then says so. */
  readonly edits: readonly Edit[]
  readonly why?: string
  /** Seeds that must suffice, when the recorded one has gone stale. Default 300. */
  readonly seeds?: number
  /** What the seeds are planned with. */
  readonly options?: ScenarioOptions
  readonly script?: Script
  /**
   * A test of core, below packages/core/test, that must fail instead of a seed: for rules about times, bytes and pure decisions, of which no schedule shows
   * more than that something was late.
   */
  readonly test?: string
  /** Only violations of these count: where another one would show that the bug is there, and not that the rule is needed. */
  readonly noticedBy?: readonly string[]
}

export class MisplacedMutationError extends Error {
  override readonly name = 'MisplacedMutationError'
}

/** Throws when the place is not there exactly once: a mutation that does nothing must not pass for a bug that was found. */
export function mutate(source: string, { file, find, replace }: Edit, id: string): string {
  const pattern = new RegExp(find.trim().split(/\s+/).map(escaped).join('\\s+'), 'g')
  const places = [...source.matchAll(pattern)]
  if (places.length !== 1) {
    throw new MisplacedMutationError(
      `mutation '${id}' must find its place in packages/core/src/${file} exactly once and finds it ${places.length} times. ` +
        `Whoever changed that file: give the mutation (packages/simulation/mutations) its new place, or another one that breaks the same rule. It looks for\n${find}`,
    )
  }
  const { index, 0: text } = places[0] as RegExpMatchArray & { index: number }
  const trail = find.endsWith('\n') ? (/^[ \t]*\n?/.exec(source.slice(index + text.length))?.[0].length ?? 0) : 0
  return source.slice(0, index) + replace.trim() + (replace.endsWith('\n') ? '\n' : '') + source.slice(index + text.length + trail)
}

function escaped(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')
}
