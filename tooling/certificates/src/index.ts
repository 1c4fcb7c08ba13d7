// What tests and other tools use.

export { type Authority, openAuthority } from './authority.ts'
export { type Certificate, issueCertificate, issueNodeCertificate, type Names, selfSignedCertificate } from './certificate.ts'
