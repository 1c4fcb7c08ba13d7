// The only place of core that looks at the process's environment.

/** Whether the process runs tests, by the usual `NODE_ENV=test` (vitest and jest set it). Decides defaults such as `strict`. */
export function isTestEnvironment(): boolean {
  return process.env['NODE_ENV'] === 'test'
}
