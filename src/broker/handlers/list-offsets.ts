import { isPromise, type MaybePromise } from '../../common/deferred.js'
import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import { historyOf } from '../../log/log.js'
import { repeatedIn } from '../../metadata/refusal.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { ListOffsets } from '../../protocol/messages/list-offsets.js'
import { leaderEpochError } from '../leader-epoch-check.js'
import type { TopicNode } from '../node.js'
import type { Partition } from '../partition.js'
import type { RequestContext } from '../request-context.js'
import { eachPartitionOnce, type PartitionsOf } from './each-partition-once.js'

type Request = RequestOf<typeof ListOffsets>
type Response = ResponseOf<typeof ListOffsets>
type PartitionResponse = Response['topics'][number]['partitions'][number]
type Wanted = Request['topics'][number]['partitions'][number]

/** The timestamps that stand for something else. */
const latest = -1
const earliest = -2
const maxTimestamp = -3
const earliestLocal = -4
const latestTiered = -5
const earliestPendingUpload = -6
const readCommitted = 1

/** The version of the API from which each of them is known. */
const knownSince: ReadonlyMap<number, number> = new Map([
  [latest, 0],
  [earliest, 0],
  [maxTimestamp, 7],
  [earliestLocal, 8],
  [latestTiered, 9],
  [earliestPendingUpload, 11]
])

const byPartition: PartitionsOf<Request['topics'][number], Wanted> = {
  key: ({ name }) => name,
  partitions: ({ partitions }) => partitions,
  index: ({ partitionIndex }) => partitionIndex,
  withPartitions: (topic, partitions) => ({ ...topic, partitions })
}

/**
 * Finds offsets by time: the first record at or after a timestamp, or the start or end of the log.
 */
export function listOffsets(node: TopicNode, request: Request, { apiVersion }: RequestContext): MaybePromise<Response> {
  const pending: Promise<unknown>[] = []
  const committedOnly = request.isolationLevel === readCommitted
  const asked = eachPartitionOnce(request.topics, byPartition)
  const repeated = asked === request.topics ? undefined : repeatedIn(request.topics.flatMap(placesIn))
  const topics = asked.map(({ name, partitions: wanted }) => {
    const topic = node.findTopic(name, zeroUuid)
    const partitions: PartitionResponse[] = []
    wanted.forEach((asked, i) => {
      const { partitionIndex, timestamp } = asked
      const partition = topic?.partitions[partitionIndex]
      let found: MaybePromise<PartitionResponse>
      if (repeated?.has(`${name} ${partitionIndex}`)) found = refused(partitionIndex, invalidRequest)
      else if (timestamp < 0 && apiVersion < (knownSince.get(timestamp) ?? Number.POSITIVE_INFINITY))
        found = refused(partitionIndex, unsupportedVersion)
      else if (!partition) found = refused(partitionIndex, unknownPartition)
      else found = lookUp(node, partition, asked, committedOnly)
      if (!isPromise(found)) partitions[i] = found
      else pending.push(found.then(settled => (partitions[i] = settled)))
    })
    return { name, partitions }
  })
  const response = { throttleTimeMs: 0, topics }
  return pending.length === 0 ? response : Promise.all(pending).then(() => response)
}

const invalidRequest = errorNumber('INVALID_REQUEST')
const unsupportedVersion = errorNumber('UNSUPPORTED_VERSION')
const unknownPartition = errorNumber('UNKNOWN_TOPIC_OR_PARTITION')

function placesIn({ name, partitions }: Request['topics'][number]): string[] {
  return partitions.map(({ partitionIndex }) => `${name} ${partitionIndex}`)
}

function lookUp(node: TopicNode, partition: Partition, wanted: Wanted, committedOnly: boolean): MaybePromise<PartitionResponse> {
  const { timestamp, currentLeaderEpoch = -1 } = wanted
  const epochError = leaderEpochError(partition, currentLeaderEpoch)
  if (epochError !== 0) return refused(partition.partition, epochError)
  const limit = committedOnly ? partition.lastStableOffset : partition.highWatermark
  switch (timestamp) {
    case latest:
      return at(partition, limit, -1, partition.leaderEpoch)
    case earliest:
    case earliestLocal:
      return at(partition, partition.logStartOffset, -1, epochAtStart(partition))
    case latestTiered:
    case earliestPendingUpload:
      return at(partition, -1, -1, -1)
  }
  const search = timestamp === maxTimestamp ? partition.log.maxTimestamp() : partition.log.offsetForTimestamp(timestamp)
  return search.then(
    found => (found && found.offset < limit ? at(partition, found.offset, found.timestamp, found.leaderEpoch) : at(partition, -1, -1, -1)),
    error => refused(partition.partition, node.errorNumberFor(error, `a lookup in ${partition.topic}-${partition.partition}`))
  )
}

function at({ partition }: Partition, offset: number, timestamp: number, leaderEpoch: number): PartitionResponse {
  return { partitionIndex: partition, errorCode: 0, timestamp, offset, leaderEpoch }
}

/** A leader has an epoch before it has written anything. */
function epochAtStart({ log, logStartOffset, leaderEpoch }: Partition): number {
  const { leaderEpochs } = historyOf(log)
  return leaderEpochs.latest ? leaderEpochs.epochOf(logStartOffset) : leaderEpoch
}

function refused(partitionIndex: number, errorCode: number): PartitionResponse {
  return { partitionIndex, errorCode, timestamp: -1, offset: -1, leaderEpoch: -1 }
}
