// The part of Standard Schema v1 (https://standardschema.dev) that is used here, as the specification suggests: copied types, no dependency.

export interface StandardSchema<Input = unknown, Output = Input> {
  readonly '~standard': {
    readonly version: 1
    readonly vendor: string
    readonly validate: (value: unknown) => SchemaResult<Output> | Promise<SchemaResult<Output>>
    readonly types?: { readonly input: Input; readonly output: Output } | undefined
  }
}

export type SchemaResult<Output> = { readonly value: Output; readonly issues?: undefined } | { readonly issues: readonly SchemaIssue[] }

export interface SchemaIssue {
  readonly message: string
  readonly path?: readonly (PropertyKey | { readonly key: PropertyKey })[] | undefined
}

/** `payload.items[3].name: expected string`, one after the other. */
export function describeIssues(issues: readonly SchemaIssue[]): string {
  return issues.map((issue) => `${describePath(issue)}: ${issue.message}`).join('; ')
}

function describePath(issue: SchemaIssue): string {
  let text = 'payload'
  for (const part of issue.path ?? []) {
    const key = typeof part === 'object' ? part.key : part
    text += typeof key === 'number' ? `[${key}]` : `.${String(key)}`
  }
  return text
}
