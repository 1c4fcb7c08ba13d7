// All kinds of servers by name.

import type { BackendName, ServerKind } from './server-kind.ts'
import { etcd } from './servers/etcd.ts'
import { kafka } from './servers/kafka.ts'
import { rabbitmq } from './servers/rabbitmq.ts'
import { redis } from './servers/redis.ts'
import { zookeeper } from './servers/zookeeper.ts'

export const serverKinds: Readonly<Record<BackendName, ServerKind>> = { etcd, kafka, rabbitmq, redis, zookeeper }
export const backendNames = Object.keys(serverKinds) as BackendName[]
