import { zeroUuid } from '../../common/uuid.js'
import type { RequestedTopic } from '../../coordinator/group/committing.js'
import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { OffsetFetch } from '../../protocol/messages/offset-fetch.js'
import type { GroupNode } from '../group-node.js'
import { type RequestContext, wasSentSince } from '../request-context.js'

type Request = RequestOf<typeof OffsetFetch>
type Response = ResponseOf<typeof OffsetFetch>
type GroupRequest = NonNullable<Request['groups']>[number]
type GroupResponse = NonNullable<Response['groups']>[number]
type TopicResponse = GroupResponse['topics'][number]

/**
 * Tells how far groups have read. Since version 8 a request asks for several groups; before, it
 * named one at its top.
 */
export async function offsetFetch(node: GroupNode, request: Request, { apiVersion }: RequestContext): Promise<Response> {
  const { groups = [], groupId = '', topics = [], requireStable = false } = request
  if (groups.length > 0) return { groups: await Promise.all(groups.map(group => fetchGroup(node, group, requireStable, apiVersion))) }
  const { errorCode, topics: fetched } = await node.groups.fetchOffsets(groupId, topics, requireStable)
  return { errorCode, topics: fetched }
}

/** From this version on topics go by their ids alone. */
const firstVersionWithIds = 10

async function fetchGroup(
  node: GroupNode,
  { groupId, topics }: GroupRequest,
  requireStable: boolean,
  apiVersion: number
): Promise<GroupResponse> {
  const hasIds = wasSentSince(firstVersionWithIds, apiVersion)
  const wanted = topics?.map(({ name = '', topicId = zeroUuid, partitionIndexes }) => {
    if (hasIds && topicId === zeroUuid) return { found: undefined, topicId, partitionIndexes }
    const found = topicId === zeroUuid ? { name, id: node.findTopic(name, zeroUuid)?.id ?? zeroUuid } : node.findTopic(name, topicId)
    return { found, topicId, partitionIndexes }
  })
  const known = wanted?.flatMap(({ found, partitionIndexes }): RequestedTopic[] => (found ? [{ name: found.name, partitionIndexes }] : []))
  const { errorCode, topics: fetched } = await node.groups.fetchOffsets(groupId, known ?? null, requireStable)
  if (errorCode !== 0 || !wanted) {
    return {
      groupId,
      errorCode,
      topics: fetched.map(topic => ({ ...topic, topicId: node.findTopic(topic.name, zeroUuid)?.id ?? zeroUuid }))
    }
  }
  const answers = fetched.values()
  const all = wanted.map(({ found, topicId, partitionIndexes }): TopicResponse => {
    if (!found)
      return {
        name: '',
        topicId,
        partitions: partitionIndexes.map(refused(hasIds ? errorNumber('UNKNOWN_TOPIC_ID') : node.unknownTopicError(topicId)))
      }
    return { ...answers.next().value!, topicId: found.id }
  })
  return { groupId, errorCode, topics: all }
}

function refused(errorCode: number) {
  return (partitionIndex: number) => ({ partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode })
}
