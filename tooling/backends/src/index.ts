export { Backend, type BackendOptions } from './backend.ts'
export { type Location, locate, reasonToSkip } from './locate.ts'
export type { BackendName, Certificate, Credentials } from './server-kind.ts'
export { backendNames } from './server-kinds.ts'
