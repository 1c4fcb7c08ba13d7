// What the checks need of a parsed module: what it imports, and every node of its tree. oxc-parser reads TypeScript without a compiler.

import { parseSync } from 'oxc-parser'
import type { SourceFile } from './source-file.ts'

export interface ImportSite {
  readonly specifier: string
  readonly offset: number
}

export interface SyntaxNode {
  readonly type: string
  readonly start: number
  readonly [field: string]: unknown
}

export interface ParsedModule {
  readonly imports: readonly ImportSite[]
  readonly program: SyntaxNode
}

export function parse(file: SourceFile): ParsedModule {
  const result = parseSync(file.path, file.text)
  const [error] = result.errors
  if (error !== undefined) throw new Error(`${file.path}: ${error.message}`)
  const program = result.program as unknown as SyntaxNode
  const imports: ImportSite[] = []
  walk(program, (node) => {
    const source = node['source'] as SyntaxNode | null | undefined
    const value = source?.['value']
    if (typeof value === 'string' && IMPORTING.has(node.type)) imports.push({ specifier: value, offset: source?.start ?? node.start })
  })
  return { imports, program }
}

const IMPORTING = new Set(['ImportDeclaration', 'ExportNamedDeclaration', 'ExportAllDeclaration', 'ImportExpression', 'TSImportType'])

export function walk(node: SyntaxNode, visit: (node: SyntaxNode, parent: SyntaxNode | undefined) => void, parent?: SyntaxNode): void {
  visit(node, parent)
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) for (const item of value) if (isNode(item)) walk(item, visit, node)
    if (isNode(value)) walk(value, visit, node)
  }
}

function isNode(value: unknown): value is SyntaxNode {
  return typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string'
}
