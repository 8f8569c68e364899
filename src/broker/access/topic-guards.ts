import { whenThere } from '../../common/deferred.js'
import { zeroUuid } from '../../common/uuid.js'
import { isNamedOneWay } from '../../metadata/delete-topics.js'
import { repeatedIn } from '../../metadata/refusal.js'
import { clusterMetadataTopic, topicNameProblem } from '../../metadata/topic-name.js'
import { clusterName } from '../../protocol/access.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { ConditionalAppend } from '../../protocol/messages/conditional-append.js'
import type { CreatePartitions } from '../../protocol/messages/create-partitions.js'
import type { CreateTopics } from '../../protocol/messages/create-topics.js'
import type { DeleteRecords } from '../../protocol/messages/delete-records.js'
import type { DeleteTopics } from '../../protocol/messages/delete-topics.js'
import type { DescribeProducers } from '../../protocol/messages/describe-producers.js'
import type { DescribeTopicPartitions } from '../../protocol/messages/describe-topic-partitions.js'
import type { ListKeyOffsets } from '../../protocol/messages/list-key-offsets.js'
import type { ListOffsets } from '../../protocol/messages/list-offsets.js'
import type { Metadata } from '../../protocol/messages/metadata.js'
import type { OffsetForLeaderEpoch } from '../../protocol/messages/offset-for-leader-epoch.js'
import type { Produce } from '../../protocol/messages/produce.js'
import { isTransactional } from '../../record/batch-header.js'
import { operationsNotAsked } from '../authorized-operations.js'
import { eachTopicOnce, firstVersionWithIds } from '../handlers/metadata.js'
import {
  type Guard,
  type Guarded,
  inOrder,
  nameOf,
  namesOf,
  parted,
  passing,
  permitting,
  topicDenied,
  topicsGuard,
  transactionalIdDenied
} from './guard.js'

export const produceGuard: Guard<typeof Produce> = guarded => {
  const { access, request } = guarded
  const { transactionalId = null, topicData } = request
  if (transactionalId === null || !hasTransaction(topicData)) return produceTopics(guarded)
  return whenThere(access.may('write', 'transactionalId', transactionalId), isAllowed =>
    isAllowed ? produceTopics(guarded) : { responses: topicData.map(topic => unproduced(topic, transactionalIdDenied)) }
  )
}

type ProducedTopic = RequestOf<typeof Produce>['topicData'][number]

function hasTransaction(topicData: readonly ProducedTopic[]): boolean {
  return topicData.some(({ partitionData }) => partitionData.some(({ records }) => records && isTransactional(records)))
}

function produceTopics({ access, node, request, answer }: Guarded<typeof Produce>): ReturnType<Guard<typeof Produce>> {
  const { topicData } = request
  return whenThere(access.which('write', 'topic', namesOf(node, topicData)), allowed => {
    const passes = passing(node, allowed)
    if (topicData.every(passes)) return answer(request)
    return whenThere(answer({ ...request, topicData: topicData.filter(passes) }), response => ({
      ...response,
      responses: inOrder(topicData, passes, response.responses, topic => unproduced(topic, topicDenied))
    }))
  })
}

function unproduced({ name = '', topicId = zeroUuid, partitionData }: ProducedTopic, errorCode: number) {
  const partitionResponses = partitionData.map(({ index }) => {
    return { index, errorCode, baseOffset: -1, logAppendTimeMs: -1, logStartOffset: -1, errorMessage: null }
  })
  return { name, topicId, partitionResponses }
}

export const conditionalAppendGuard: Guard<typeof ConditionalAppend> = ({ access, request, answer }) =>
  whenThere(access.may('write', 'topic', request.topic), isAllowed => (isAllowed ? answer(request) : { errorCode: topicDenied }))

/** A client that may write learns as much from conditions that do not hold. */
export const listKeyOffsetsGuard = topicsGuard<typeof ListKeyOffsets>(
  ['read', 'write'],
  ({ name }) => name,
  ({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: topicDenied, lastOffsets: [] }))
  })
)

export const listOffsetsGuard = topicsGuard<typeof ListOffsets>(
  ['describe'],
  ({ name }) => name,
  ({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => {
      return { partitionIndex, errorCode: topicDenied, timestamp: -1, offset: -1, leaderEpoch: -1 }
    })
  })
)

const epochsGuard = topicsGuard<typeof OffsetForLeaderEpoch>(
  ['describe'],
  ({ topic }) => topic,
  ({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition }) => ({ partition, errorCode: topicDenied, leaderEpoch: -1, endOffset: -1 }))
  })
)

export const offsetForLeaderEpochGuard: Guard<typeof OffsetForLeaderEpoch> = async guarded =>
  (await guarded.access.mayCluster('clusterAction')) ? guarded.answer(guarded.request) : epochsGuard(guarded)

export const deleteRecordsGuard = topicsGuard<typeof DeleteRecords>(
  ['delete'],
  ({ name }) => name,
  ({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, lowWatermark: -1, errorCode: topicDenied }))
  })
)

type MetadataTopic = NonNullable<RequestOf<typeof Metadata>['topics']>[number]
type MetadataAnswer = ResponseOf<typeof Metadata>['topics'][number]

export const metadataGuard: Guard<typeof Metadata> = async guarded => {
  const { access, request, context, answer } = guarded
  const wantsAll = request.topics === null || (request.topics.length === 0 && context.apiVersion === 0)
  const named = () => (context.apiVersion < firstVersionWithIds ? request.topics! : eachTopicOnce(request.topics!, context.apiVersion))
  const response = wantsAll ? await answer(request) : await metadataOfNamed(guarded, named())
  const isShown = wantsAll ? await permitting(access, 'describe', 'topic', response.topics, ({ name }) => name!) : () => true
  const topics = response.topics.filter(isShown)
  for (const topic of topics)
    if (topic.topicAuthorizedOperations !== operationsNotAsked && topic.errorCode !== topicDenied && topic.name !== null)
      topic.topicAuthorizedOperations = await access.operationsOn('topic', topic.name)
  const clusterAuthorizedOperations = await clusterOperations(guarded, request.includeClusterAuthorizedOperations ?? false)
  return { ...response, topics, clusterAuthorizedOperations }
}

/** The authorized operations on the cluster: none are told to a client that may not describe it. */
export async function clusterOperations({ access }: Pick<Guarded<typeof Metadata>, 'access'>, areAsked: boolean): Promise<number> {
  if (!areAsked) return operationsNotAsked
  return (await access.mayCluster('describe')) ? access.operationsOn('cluster', clusterName) : 0
}

/**
 * A topic that may not be described is refused whether it exists or not; one that would come into
 * being takes the right to create it.
 */
async function metadataOfNamed(
  { access, node, request, context, answer }: Guarded<typeof Metadata>,
  wanted: readonly MetadataTopic[]
): Promise<ResponseOf<typeof Metadata>> {
  const found = new Map(wanted.map(topic => [topic, nameOf(node, topic.name, topic.name === null ? topic.topicId : zeroUuid)]))
  const described = await access.which(
    'describe',
    'topic',
    namesOf(
      node,
      wanted.map(topic => ({ name: found.get(topic) }))
    )
  )
  const mayCreate =
    (request.allowAutoTopicCreation !== false || context.apiVersion < 4) && node.configs.boolean('auto.create.topics.enable')
  const missing = [...described].filter(name => mayCreate && !node.topics.has(name) && !topicNameProblem(name))
  const isCreator = missing.length === 0 || (await access.mayCluster('create'))
  const creatable = isCreator ? new Set(missing) : await access.which('create', 'topic', missing)
  const uncreatable = new Set(missing.filter(name => !creatable.has(name)))
  const passes = (topic: MetadataTopic) => {
    const name = found.get(topic)
    return name === undefined || (described.has(name) && !uncreatable.has(name))
  }
  const rest = wanted.filter(passes)
  const response = await answer({ ...request, topics: rest })
  // Before version 1 an empty list means all topics.
  const answered = rest.length === 0 ? [] : response.topics
  const refuse = ({ name, topicId = zeroUuid }: MetadataTopic): MetadataAnswer => {
    return { errorCode: topicDenied, name, topicId: name === null ? topicId : zeroUuid, isInternal: false, partitions: [] }
  }
  return { ...response, topics: inOrder(wanted, passes, answered, refuse) }
}

export const describeTopicPartitionsGuard: Guard<typeof DescribeTopicPartitions> = async ({ access, node, request, answer }) => {
  const wantsAll = request.topics.length === 0
  const asked = wantsAll ? [...node.topics.keys()] : [...new Set(request.topics.map(({ name }) => name))]
  const allowed = await access.which('describe', 'topic', asked)
  const names = asked.filter(name => allowed.has(name)).map(name => ({ name }))
  const response = names.length === 0 ? { topics: [], nextCursor: null } : await answer({ ...request, topics: names })
  for (const topic of response.topics)
    if (topic.topicAuthorizedOperations !== undefined && topic.name !== null)
      topic.topicAuthorizedOperations = await access.operationsOn('topic', topic.name)
  const from = request.cursor?.topicName ?? ''
  const denied = wantsAll ? [] : asked.filter(name => !allowed.has(name) && name >= from)
  const refused = denied.map(name => ({ errorCode: topicDenied, name, topicId: zeroUuid, isInternal: false, partitions: [] }))
  return { ...response, topics: [...response.topics, ...refused] }
}

export const createTopicsGuard: Guard<typeof CreateTopics> = async ({ access, request, answer }) => {
  const names = request.topics.map(({ name }) => name)
  const repeated = repeatedIn(names)
  const isCreator = await access.mayCluster('create')
  const creatable = isCreator ? new Set(names) : await access.which('create', 'topic', names)
  const [passed, denied] = parted(request.topics, ({ name }) => creatable.has(name) || repeated.has(name) || name === clusterMetadataTopic)
  const response = await answer({ ...request, topics: passed })
  const isDescribed = await permitting(access, 'describeConfigs', 'topic', response.topics, ({ name }) => name)
  const topics = response.topics.map(topic => (topic.errorCode !== 0 || isDescribed(topic) ? topic : withoutConfigs(topic)))
  const refused = denied.map(({ name }) => ({ name, errorCode: topicDenied, errorMessage: 'Authorization failed.' }))
  return { ...response, topics: [...topics, ...refused] }
}

type CreatedTopic = ResponseOf<typeof CreateTopics>['topics'][number]

function withoutConfigs(topic: CreatedTopic): CreatedTopic {
  return { ...topic, topicConfigErrorCode: topicDenied, numPartitions: -1, replicationFactor: -1, configs: [] }
}

export const createPartitionsGuard: Guard<typeof CreatePartitions> = async ({ access, request, answer }) => {
  const names = request.topics.map(({ name }) => name)
  const repeated = repeatedIn(names)
  const allowed = await access.which('alter', 'topic', names)
  const [passed, denied] = parted(request.topics, ({ name }) => allowed.has(name) || repeated.has(name))
  const response = await answer({ ...request, topics: passed })
  const refused = denied.map(({ name }) => ({ name, errorCode: topicDenied, errorMessage: null }))
  return { ...response, results: [...response.results, ...refused] }
}

/**
 * A topic that may not be described is refused whether it exists or not, and one that was named by
 * id keeps its name to itself.
 */
export const deleteTopicsGuard: Guard<typeof DeleteTopics> = async ({ access, node, request, answer }) => {
  if (!node.configs.boolean('delete.topic.enable') || (await access.mayCluster('delete'))) return answer(request)
  const { topics = [], topicNames = [] } = request
  const asked = [...new Set([...namesOf(node, topics.filter(isNamedOneWay)), ...topicNames])]
  const describable = await access.which('describe', 'topic', asked)
  const deletable = await access.which('delete', 'topic', asked)
  const passes = (name: string) => describable.has(name) && (deletable.has(name) || !node.topics.has(name))
  const [passed, denied] = parted(topics, topic => {
    const name = isNamedOneWay(topic) ? nameOf(node, topic.name, topic.topicId) : undefined
    return name === undefined || (topic.name == null ? deletable.has(name) : passes(name))
  })
  const [passedNames, deniedNames] = parted(topicNames, passes)
  const response = await answer({ ...request, topics: passed, topicNames: passedNames })
  const refuse = (name: string | null, topicId: string = zeroUuid) => {
    const found = name ?? nameOf(node, null, topicId)
    const shown = name ?? (found !== undefined && describable.has(found) ? found : null)
    return { name: shown, topicId, errorCode: topicDenied, errorMessage: null }
  }
  const refused = [...denied.map(({ name = null, topicId }) => refuse(name, topicId)), ...deniedNames.map(name => refuse(name))]
  return { ...response, responses: [...response.responses, ...refused] }
}

export const describeProducersGuard = topicsGuard<typeof DescribeProducers>(
  ['read'],
  ({ name }) => name,
  ({ name, partitionIndexes }) => ({
    name,
    partitions: partitionIndexes.map(partitionIndex => ({ partitionIndex, errorCode: topicDenied, activeProducers: [] }))
  })
)
