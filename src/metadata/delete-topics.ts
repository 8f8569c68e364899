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

interface Named {
  readonly name: string | null
  readonly topicId: string
}

/** Decides which topics go, by name or id, each on its own; one that is named twice stays. */
export function deleteTopics(
  metadata: ClusterMetadata,
  request: Request,
  { configs, mutate }: ControllerContext
): MetadataDecision<Response> {
  const records: MetadataRecord[] = []
  const find = ({ name, topicId }: Named) => (name === null ? metadata.topicById(topicId) : metadata.topics.get(name))
  const named: Named[] = [
    ...(request.topics ?? []).map(({ name = null, topicId = zeroUuid }) => ({ name, topicId })),
    ...(request.topicNames ?? []).map(name => ({ name, topicId: zeroUuid }))
  ]
  const namedOneWay = named.filter(isNamedOneWay)
  const repeated = repeatedIn(namedOneWay.map(keyOf))
  const repeatedIds = repeatedIn(namedOneWay.flatMap(each => find(each)?.id ?? []))
  const remove = (each: Named): Result => {
    const { name, topicId } = each
    const topic = find(each)
    if (!isNamedOneWay(each)) return refused(name, topicId, 'INVALID_REQUEST', 'A topic is named by its name or by its id')
    if (repeated.has(keyOf(each))) return refused(name, topicId, 'INVALID_REQUEST', `The request has \`${name ?? topicId}\` twice`)
    if (!topic) return refused(name, topicId, name === null ? 'UNKNOWN_TOPIC_ID' : 'UNKNOWN_TOPIC_OR_PARTITION')
    if (repeatedIds.has(topic.id)) return refused(topic.name, topic.id, 'INVALID_REQUEST', `The request has \`${topic.name}\` twice`)
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
  const isFirst = (each: Named) => !isNamedOneWay(each) || (!answered.has(keyOf(each)) && answered.add(keyOf(each)))
  const responses = named.filter(isFirst).map(remove)
  return { response: { throttleTimeMs: 0, responses }, records }
}

/** True if a topic is named by its name or by its id, and not by both or neither. */
export function isNamedOneWay({ name = null, topicId = zeroUuid }: Partial<Named>): boolean {
  return (name === null) !== (topicId === zeroUuid)
}

function keyOf({ name, topicId }: Named): string {
  return `${name} ${topicId}`
}

function refused(name: string | null, topicId: string, code: ProtocolErrorCode, errorMessage: string | null = null): Result {
  return { name, topicId, errorCode: errorNumber(code), errorMessage }
}
