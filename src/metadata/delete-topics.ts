import { zeroUuid } from '../common/uuid.js'
import { errorNumber, type ProtocolErrorCode } from '../errors.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { DeleteTopics } from '../protocol/messages/delete-topics.js'
import type { ClusterMetadata, MetadataDecision } from './cluster-metadata.js'
import type { ControllerContext } from './create-topics.js'
import type { MetadataRecord } from './records.js'
import { isInternalTopic } from './topic-name.js'

type Request = RequestOf<typeof DeleteTopics>
type Response = ResponseOf<typeof DeleteTopics>
type Result = Response['responses'][number]

/** Decides which topics go, by name or id, each on its own. */
export function deleteTopics(metadata: ClusterMetadata, request: Request, { configs }: ControllerContext): MetadataDecision<Response> {
  const records: MetadataRecord[] = []
  const deleted = new Set<string>()
  const remove = (name: string | null, topicId: string): Result => {
    const topic = name === null ? metadata.topicById(topicId) : metadata.topics.get(name)
    if ((name === null) === (topicId === zeroUuid))
      return refused(name, topicId, 'INVALID_REQUEST', 'A topic is named by its name or by its id')
    if (!topic) return refused(name, topicId, name === null ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION')
    if (deleted.has(topic.id)) return refused(topic.name, topic.id, 'INVALID_REQUEST', `The request has \`${topic.name}\` twice`)
    if (!configs.boolean('delete.topic.enable')) return refused(topic.name, topic.id, 'TOPIC_DELETION_DISABLED')
    if (isInternalTopic(topic.name))
      return refused(topic.name, topic.id, 'INVALID_TOPIC_EXCEPTION', `\`${topic.name}\` is kept by the cluster itself`)
    deleted.add(topic.id)
    records.push({ type: 'removeTopic', topicId: topic.id })
    return { name: topic.name, topicId: topic.id, errorCode: 0, errorMessage: null }
  }
  const responses = [
    ...(request.topics ?? []).map(({ name = null, topicId = zeroUuid }) => remove(name, topicId)),
    ...(request.topicNames ?? []).map(name => remove(name, zeroUuid))
  ]
  return { response: { throttleTimeMs: 0, responses }, records }
}

function refused(name: string | null, topicId: string, code: ProtocolErrorCode, errorMessage: string | null = null): Result {
  return { name, topicId, errorCode: errorNumber(code), errorMessage }
}
