export { zooKeeperCapabilities } from './capabilities.ts'
export { type ZooKeeperMetadataStoreOptions, zooKeeperMetadataStoreDefaults } from './options.ts'
export { ZooKeeperMetadataStore } from './zookeeper-metadata-store.ts'
