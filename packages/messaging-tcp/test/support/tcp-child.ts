// A process with one TCP transport, for tests that stop and kill real processes.

import { serveSystem } from '../../../messaging-stream/test/support/child-system.ts'
import { TcpMessagingSystem } from '../../src/index.ts'

serveSystem((options) => new TcpMessagingSystem(options))
