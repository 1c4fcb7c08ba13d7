// Core touches clock, timers, deferral, randomness and environment only in `runtime/`: whatever bypasses it can't be simulated.

import { parse, type SyntaxNode, walk } from './parse.ts'
import { type Finding, lineAt, type SourceFile } from './source-file.ts'

/** `globalThis` as a whole: what it leads to can be reached in more ways than a list of members would name. */
const BANNED_NAMES = new Set([
  'Date',
  'performance',
  'setTimeout',
  'setInterval',
  'setImmediate',
  'clearTimeout',
  'clearInterval',
  'clearImmediate',
  'queueMicrotask',
  'MessageChannel',
  'crypto',
  'globalThis',
  'global',
])
const BANNED_MEMBERS = new Set([
  'Math.random',
  'AbortSignal.timeout',
  'process.env',
  'process.nextTick',
  'process.hrtime',
  'process.uptime',
])
/** Handed on or taken apart, the banned member could not be seen any more. A module's own variable of that name is something else. */
const ONLY_BY_MEMBER = ['Math', 'process']
const BANNED_MODULES = new Set(['timers', 'timers/promises', 'crypto', 'perf_hooks', 'process', 'os'])
/** Wrappers that the compiler erases: what is inside is still used. */
const ERASED = new Set(['TSAsExpression', 'TSSatisfiesExpression', 'TSNonNullExpression', 'TSTypeAssertion', 'TSInstantiationExpression'])

export function checkRuntimeBan(file: SourceFile): Finding[] {
  if (!file.path.startsWith('packages/core/src/') || file.path.startsWith('packages/core/src/runtime/')) return []
  const findings: Finding[] = []
  const found = (offset: number, what: string): void => {
    findings.push({
      path: file.path,
      line: lineAt(file.text, offset),
      problem: `${what} is used outside runtime/; take it from the Runtime`,
    })
  }
  const { program, imports } = parse(file)
  for (const { specifier, offset } of imports) {
    if (BANNED_MODULES.has(specifier.replace(/^node:/, ''))) found(offset, `module ${specifier}`)
  }
  const own = boundNames(program)
  const onlyByMember = new Set(ONLY_BY_MEMBER.filter((name) => !own.has(name)))
  walk(program, (node, parent) => {
    if (node.type === 'MemberExpression') {
      const name = memberName(node)
      if (name !== undefined && BANNED_MEMBERS.has(name)) found(node.start, name)
      return
    }
    if (node.type !== 'Identifier' || parent === undefined) return
    const name = node['name'] as string
    if (BANNED_NAMES.has(name) && !namesSomethingElse(node, parent)) found(node.start, name)
    if (onlyByMember.has(name) && !namesSomethingElse(node, parent) && !isNamedMemberOf(node, parent))
      found(node.start, `${name} as a whole`)
  })
  return findings
}

/** Names that the module binds somewhere: variables, parameters, imports. */
function boundNames(program: SyntaxNode): Set<string> {
  const names = new Set<string>()
  const bind = (pattern: unknown): void => {
    const node = pattern as SyntaxNode | null | undefined
    if (node?.type === 'Identifier') names.add(node['name'] as string)
    else if (node?.type === 'ObjectPattern')
      for (const property of node['properties'] as SyntaxNode[]) bind(property['value'] ?? property['argument'])
    else if (node?.type === 'ArrayPattern') for (const element of node['elements'] as unknown[]) bind(element)
    else if (node?.type === 'AssignmentPattern') bind(node['left'])
    else if (node?.type === 'RestElement') bind(node['argument'])
    else if (node?.type === 'TSParameterProperty') bind(node['parameter'])
  }
  walk(program, (node) => {
    if (node.type === 'VariableDeclarator') bind(node['id'])
    else if (node.type.startsWith('Import')) bind(node['local'])
    else if (node.type === 'CatchClause') bind(node['param'])
    else if (Array.isArray(node['params'])) for (const parameter of node['params']) bind(parameter)
  })
  return names
}

function memberName(node: SyntaxNode): string | undefined {
  const object = node['object'] as SyntaxNode
  const property = node['property'] as SyntaxNode
  if (object.type !== 'Identifier') return undefined
  if (node['computed'] !== true) return `${object['name']}.${property['name']}`
  return property.type === 'Literal' ? `${object['name']}.${property['value']}` : undefined
}

function isNamedMemberOf(node: SyntaxNode, parent: SyntaxNode): boolean {
  return parent.type === 'MemberExpression' && parent['object'] === node && memberName(parent) !== undefined
}

/** A property, a type or a check of a type: `x.crypto`, `{ Date: … }`, `value instanceof Date`, `new Date(received)`. */
function namesSomethingElse(node: SyntaxNode, parent: SyntaxNode): boolean {
  if (parent.type.startsWith('TS')) return !ERASED.has(parent.type)
  if (parent.type === 'MemberExpression') return parent['property'] === node && parent['computed'] !== true
  if (parent.type === 'Property' || parent.type === 'PropertyDefinition' || parent.type === 'MethodDefinition') {
    return parent['key'] === node && parent['computed'] !== true
  }
  if (parent.type === 'BinaryExpression') return parent['operator'] === 'instanceof' && parent['right'] === node
  // A Date made of a given time is a value, no clock.
  if (parent.type === 'NewExpression')
    return node['name'] === 'Date' && parent['callee'] === node && (parent['arguments'] as unknown[]).length > 0
  return false
}
