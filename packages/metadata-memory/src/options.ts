// Options of the embedded store.

import type { MetadataStoreOptions } from '@cajun/core/adapter'
import type { EmbeddedDatabase } from './embedded-database.ts'
import type { LinkFaults } from './link-faults.ts'

export interface MemoryMetadataStoreOptions extends MetadataStoreOptions {
  /** The database to share with other stores of this process. Default: one of its own. */
  readonly database?: EmbeddedDatabase
  /** Faults of this store's link alone: for tests. */
  readonly faults?: LinkFaults
}
