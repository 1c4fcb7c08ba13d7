export { type CaseOutcome, type ContractCase, caseName } from './contract-case.ts'
export { metadataStoreCases, metadataStoreContract } from './metadata/contract.ts'
export type { ClientOptions, Interruption, MetadataStoreContractOptions, MetadataStoreHarness } from './metadata/harness.ts'
export { runStoreCase, type StoreCase } from './metadata/run.ts'
