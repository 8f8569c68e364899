import type { MaybePromise } from '../../common/deferred.js'
import { zeroUuid } from '../../common/uuid.js'
import type { CommitResponse } from '../../coordinator/group/committing.js'
import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { OffsetCommit } from '../../protocol/messages/offset-commit.js'
import type { GroupNode } from '../group-node.js'
import { type RequestContext, wasSentSince } from '../request-context.js'

type Request = RequestOf<typeof OffsetCommit>
type Response = ResponseOf<typeof OffsetCommit>

/** From this version on topics go by their ids alone. */
const firstVersionWithIds = 10

/**
 * Keeps how far a group has read. Offsets of topics and partitions that do not exist are refused,
 * the others kept all the same.
 */
export async function offsetCommit(node: GroupNode, request: Request, context: RequestContext): Promise<Response> {
  const hasIds = wasSentSince(firstVersionWithIds, context.apiVersion)
  const unknownError = (topicId: string) => (hasIds ? errorNumber('UNKNOWN_TOPIC_ID') : node.unknownTopicError(topicId))
  const commit = (topics: Known<Request['topics'][number]>[]) => node.groups.commitOffsets({ ...request, topics }, context)
  return { topics: await commitExisting(node, request.topics, unknownError, commit) }
}

interface Partition {
  readonly partitionIndex: number
}

interface Named<P extends Partition> {
  readonly name?: string
  readonly topicId?: string
  readonly partitions: readonly P[]
}

/** A topic of a request that exists, by its name and its id. */
type Known<T> = T & { readonly name: string; readonly topicId: string }

/**
 * Commits the offsets of topics and partitions that exist, and answers for all of a request in its
 * order; `unknownError` is the error for an unknown topic.
 */
export async function commitExisting<P extends Partition, T extends Named<P>>(
  node: GroupNode,
  asked: readonly (T & Named<P>)[],
  unknownError: (topicId: string) => number,
  commit: (known: Known<T>[]) => MaybePromise<CommitResponse>
): Promise<CommitResponse['topics']> {
  const found = asked.map(({ name = '', topicId = zeroUuid }) => node.findTopic(name, topicId))
  const known = asked.flatMap((topic, i) => {
    const existing = found[i]
    if (!existing) return []
    const partitions = topic.partitions.filter(({ partitionIndex }) => hasPartition(existing, partitionIndex))
    return [{ ...topic, name: existing.name, topicId: existing.id, partitions }]
  })
  const answered = (await commit(known)).topics.values()
  return asked.map(({ name = '', topicId = zeroUuid, partitions }, i) => {
    const existing = found[i]
    if (!existing) return { name, topicId, partitions: partitions.map(refused(unknownError(topicId))) }
    // A partition may stand twice in a request: each of its entries has an answer of its own.
    const kept = answered.next().value?.partitions.values()
    const missing = refused(node.unknownTopicError(zeroUuid))
    const answerOf = (partition: Partition) =>
      (hasPartition(existing, partition.partitionIndex) && kept?.next().value) || missing(partition)
    return { name, topicId, partitions: partitions.map(answerOf) }
  })
}

function hasPartition({ partitions }: { readonly partitions: readonly unknown[] }, partition: number): boolean {
  return partition >= 0 && partition < partitions.length
}

function refused(errorCode: number) {
  return ({ partitionIndex }: Partition) => ({ partitionIndex, errorCode })
}
