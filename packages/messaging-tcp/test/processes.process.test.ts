import { processCases } from '../../messaging-stream/test/support/process-cases.ts'
import { TcpMessagingSystem } from '../src/index.ts'

processCases({
  name: 'the TCP transport',
  script: new URL('./support/tcp-child.ts', import.meta.url),
  make: (options) => new TcpMessagingSystem(options),
  addressOf: (hostPort) => hostPort,
})
