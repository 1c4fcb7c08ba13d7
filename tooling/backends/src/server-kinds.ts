// All kinds of servers by name. RabbitMQ and Kafka go here when a transport needs them.

import type { BackendName, ServerKind } from './server-kind.ts'
import { etcd } from './servers/etcd.ts'
import { redis } from './servers/redis.ts'
import { zookeeper } from './servers/zookeeper.ts'

export const serverKinds: Readonly<Record<BackendName, ServerKind>> = { etcd, redis, zookeeper }
export const backendNames = Object.keys(serverKinds) as BackendName[]
