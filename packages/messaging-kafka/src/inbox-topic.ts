// The name of a node's inbox. Gotcha: all nodes of a cluster derive it, so it is as good as a wire format.
//
//   cajun.<cluster id>.<node id>     with what Kafka does not allow in a name, and the two characters that would be ambiguous, as _ and two hexadecimal digits

const PREFIX = 'cajun'

/** Kafka allows 249 characters; ids have up to 128 of which few need three. */
const LONGEST = 249

import { ConfigError } from '@cajun/core/adapter'

export function inboxTopic(clusterId: string, nodeId: string): string {
  const topic = `${inboxPrefix(clusterId)}${segment(nodeId)}`
  if (topic.length > LONGEST) {
    throw new ConfigError(
      `the inbox of node '${nodeId}' in cluster '${clusterId}' would be a topic with a name of ${topic.length} characters; Kafka allows ${LONGEST}: shorten one of the ids`,
    )
  }
  return topic
}

/** What the names of all inboxes of a cluster begin with, and no other topic's. */
export function inboxPrefix(clusterId: string): string {
  return `${PREFIX}.${segment(clusterId)}.`
}

function segment(id: string): string {
  return id.replace(/[^A-Za-z0-9-]/g, (character) => `_${character.charCodeAt(0).toString(16).padStart(2, '0')}`)
}
