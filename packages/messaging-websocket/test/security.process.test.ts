import { secureCases } from '../../messaging-stream/test/support/secure-cases.ts'
import { WebSocketMessagingSystem } from '../src/index.ts'

secureCases({
  name: 'WebSocket',
  make: (options) => new WebSocketMessagingSystem(options),
  portOf: (address) => Number(new URL(address).port),
  addressOf: (hostPort, secure) => `${secure ? 'wss' : 'ws'}://${hostPort}/cajun`,
})
