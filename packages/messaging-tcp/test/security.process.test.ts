import { secureCases } from '../../messaging-stream/test/support/secure-cases.ts'
import { TcpMessagingSystem } from '../src/index.ts'

secureCases({
  name: 'TCP',
  make: (options) => new TcpMessagingSystem(options),
  portOf: (address) => Number(address.split(':')[1]),
  addressOf: (hostPort) => hostPort,
})
