// How inboxes of nodes that are gone disappear. Kafka throws away what is older than the retention, and keeps the empty topic for ever: so owners of inboxes give a
// sign of life, and whoever comes by deletes those in which even the last of it has expired.

import type { KafkaConnection } from './kafka-connection.ts'

/** An empty record: no packet. */
export const SIGN_OF_LIFE: Uint8Array = new Uint8Array(0)

/** Several signs fall into one retention, so that a late one loses nothing. */
export function signOfLifeEveryMs(inboxRetentionMs: number): number {
  return inboxRetentionMs / 4
}

/**
 * Deletes the inboxes among the topics with this prefix that were written to once and hold nothing any more; returns their names. One that was never written to is
 * being made right now. An owner that comes back in the same moment finds its inbox gone, and makes it anew.
 */
export async function deleteExpiredInboxes(connection: KafkaConnection, prefix: string, own: string): Promise<string[]> {
  const deleted: string[] = []
  for (const topic of await connection.topics()) {
    if (!topic.startsWith(prefix) || topic === own) continue
    const latest = await connection.latestOffset(topic)
    if (latest > 0 && (await connection.earliestOffset(topic)) === latest) {
      await connection.deleteTopic(topic)
      deleted.push(topic)
    } else connection.forget(topic)
  }
  return deleted
}
