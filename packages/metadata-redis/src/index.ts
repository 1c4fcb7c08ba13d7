export { redisCapabilities, redisCapabilitiesWithoutLoss } from './capabilities.ts'
export { type RedisMetadataStoreOptions, redisMetadataStoreDefaults } from './options.ts'
export { RedisMetadataStore } from './redis-metadata-store.ts'
