// A process with one WebSocket transport, for tests that stop and kill real processes.

import { serveSystem } from '../../../messaging-stream/test/support/child-system.ts'
import { WebSocketMessagingSystem } from '../../src/index.ts'

serveSystem((options) => new WebSocketMessagingSystem(options))
