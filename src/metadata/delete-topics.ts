import { zeroUuid } from '../common/uuid.js'
import { errorNumber, type ProtocolErrorCode } from '../errors.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { DeleteTopics } from '../protocol/messages/delete-topics.js'
import type { ClusterMetadata, MetadataDecision } from './cluster-metadata.js'
import type { ControllerContext } from './create-topics.js'
import type { MetadataRecord } from './records.js'
import { refusalOf, repeatedIn } from './refusal.js'
import { isInternalTopic } from './topic-name.js'

type Request = RequestOf<typeof DeleteTopics>
type Response = ResponseOf<typeof DeleteTopics>
type Result = Response['responses'][number]

/** Decides which topics go, by name or id, each on its own; one that is named twice stays. */
export function deleteTopics(
  metadata: ClusterMetadata,
  request: Request,
  { configs, mutate }: ControllerContext
): MetadataDecision<Response> {
  const records: MetadataRecord[] = []
  const find = (name: string | null, topicId: string) => (name === null ? metadata.topicById(topicId) : metadata.topics.get(name))
  const named = [
    ...(request.topics ?? []).map(({ name = null, topicId = zeroUuid }) => ({ name, topicId })),
    ...(request.topicNames ?? []).map(name => ({ name, topicId: zeroUuid }))
  ]
  const ids = named.flatMap(({ name, topicId }) => (isNamedOneWay(name, topicId) ? (find(name, topicId)?.id ?? []) : []))
  const repeated = repeatedIn(ids)
  const repeatedNames = repeatedIn(named.flatMap(({ name, topicId }) => (name !== null && topicId === zeroUuid ? [name] : [])))
  const repeatedIds = repeatedIn(named.flatMap(({ name, topicId }) => (name === null && topicId !== zeroUuid ? [topicId] : [])))
  const remove = (name: string | null, topicId: string): Result => {
    const topic = find(name, topicId)
    if (!isNamedOneWay(name, topicId)) return refused(name, topicId, 'INVALID_REQUEST', 'A topic is named by its name or by its id')
    if (name === null ? repeatedIds.has(topicId) : repeatedNames.has(name))
      return refused(name, topicId, 'INVALID_REQUEST', `The request has \`${name ?? topicId}\` twice`)
    if (!topic) return refused(name, topicId, name === null ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION')
    if (repeated.has(topic.id)) return refused(topic.name, topic.id, 'INVALID_REQUEST', `The request has \`${topic.name}\` twice`)
    if (!configs.boolean('delete.topic.enable')) return refused(topic.name, topic.id, 'TOPIC_DELETION_DISABLED')
    if (isInternalTopic(topic.name))
      return refused(topic.name, topic.id, 'INVALID_TOPIC_EXCEPTION', `\`${topic.name}\` is kept by the cluster itself`)
    try {
      mutate?.(topic.partitions.length)
    } catch (error) {
      return { name: topic.name, topicId: topic.id, ...refusalOf(error) }
    }
    records.push({ type: 'removeTopic', topicId: topic.id })
    return { name: topic.name, topicId: topic.id, errorCode: 0, errorMessage: null }
  }
  const answered = new Set<string>()
  const isFirst = (name: string | null, topicId: string) => {
    const key = `${name} ${topicId}`
    return !isNamedOneWay(name, topicId) || (!answered.has(key) && answered.add(key))
  }
  const responses = named.filter(({ name, topicId }) => isFirst(name, topicId)).map(({ name, topicId }) => remove(name, topicId))
  return { response: { throttleTimeMs: 0, responses }, records }
}

function isNamedOneWay(name: string | null, topicId: string): boolean {
  return (name === null) !== (topicId === zeroUuid)
}

function refused(name: string | null, topicId: string, code: ProtocolErrorCode, errorMessage: string | null = null): Result {
  return { name, topicId, errorCode: errorNumber(code), errorMessage }
}
