export { etcdCapabilities } from './capabilities.ts'
export { EtcdMetadataStore } from './etcd-metadata-store.ts'
export { type EtcdMetadataStoreOptions, type EtcdTlsOptions, etcdMetadataStoreDefaults } from './options.ts'
