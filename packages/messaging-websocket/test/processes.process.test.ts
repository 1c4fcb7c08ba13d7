import { processCases } from '../../messaging-stream/test/support/process-cases.ts'
import { WebSocketMessagingSystem } from '../src/index.ts'

processCases({
  name: 'the WebSocket transport',
  script: new URL('./support/web-socket-child.ts', import.meta.url),
  make: (options) => new WebSocketMessagingSystem(options),
  addressOf: (hostPort) => `ws://${hostPort}/cajun`,
})
