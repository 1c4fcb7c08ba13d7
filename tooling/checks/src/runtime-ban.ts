// Core touches clock, timers, deferral, randomness and environment only in `runtime/`: whatever bypasses it can't be simulated.

import { parse, type SyntaxNode, walk } from './parse.ts'
import { type Finding, lineAt, type SourceFile } from './source-file.ts'

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
  'crypto',
])
const BANNED_MEMBERS = new Set([
  'Math.random',
  'process.env',
  'process.nextTick',
  'process.hrtime',
  'process.uptime',
  'AbortSignal.timeout',
])
const BANNED_MODULES = new Set(['node:timers', 'node:timers/promises', 'node:crypto', 'node:perf_hooks', 'timers', 'crypto', 'perf_hooks'])

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
  for (const { specifier, offset } of imports) if (BANNED_MODULES.has(specifier)) found(offset, `module ${specifier}`)
  walk(program, (node, parent) => {
    if (node.type === 'MemberExpression') {
      const name = memberName(node)
      if (name !== undefined && (BANNED_MEMBERS.has(name) || banishedGlobal(name))) found(node.start, name)
      return
    }
    if (node.type !== 'Identifier' || !BANNED_NAMES.has(node['name'] as string)) return
    if (parent === undefined || namesSomethingElse(node, parent)) return
    found(node.start, node['name'] as string)
  })
  return findings
}

function memberName(node: SyntaxNode): string | undefined {
  const object = node['object'] as SyntaxNode
  const property = node['property'] as SyntaxNode
  const name = property.type === 'Literal' ? property['value'] : property['name']
  return object.type === 'Identifier' ? `${String(object['name'])}.${String(name)}` : undefined
}

function banishedGlobal(name: string): boolean {
  const [object, property] = name.split('.')
  return object === 'globalThis' && property !== undefined && BANNED_NAMES.has(property)
}

/** A property, a type or a check of a type: `x.crypto`, `{ Date: … }`, `value instanceof Date`, `new Date(received)`. */
function namesSomethingElse(node: SyntaxNode, parent: SyntaxNode): boolean {
  if (parent.type.startsWith('TS')) return true
  if (parent.type === 'MemberExpression') return parent['property'] === node && parent['computed'] !== true
  if (parent.type === 'Property' || parent.type === 'PropertyDefinition' || parent.type === 'MethodDefinition')
    return parent['key'] === node
  if (parent.type === 'BinaryExpression') return parent['operator'] === 'instanceof' && parent['right'] === node
  // A Date made of a given time is a value, no clock.
  if (parent.type === 'NewExpression') return parent['callee'] === node && (parent['arguments'] as unknown[]).length > 0
  return false
}
