import type { MaybePromise } from '../../common/deferred.js'
import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import type { TopicState } from '../../metadata/cluster-metadata.js'
import { createTopics } from '../../metadata/create-topics.js'
import { isInternalTopic, topicNameProblem } from '../../metadata/topic-name.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { Metadata } from '../../protocol/messages/metadata.js'
import { allClusterOperations, allTopicOperations, operationsNotAsked } from '../authorized-operations.js'
import type { Node } from '../node.js'
import { newestVersion, type RequestContext } from '../request-context.js'
import { servedTopic, servedTopics } from '../served-topics.js'

type Request = RequestOf<typeof Metadata>
type Response = ResponseOf<typeof Metadata>
type TopicResponse = Response['topics'][number]
type Wanted = NonNullable<Request['topics']>[number]

/** Before this version a topic cannot be asked for by its id. */
export const firstVersionWithIds = 12

/**
 * Tells which topics there are and who leads their partitions. A topic that is asked for by name
 * comes into being where that is allowed.
 */
export function metadata(node: Node, request: Request, context: RequestContext): MaybePromise<Response> {
  const isById = ({ name, topicId = zeroUuid }: Wanted) => name === null || topicId !== zeroUuid
  if (context.apiVersion < firstVersionWithIds && request.topics?.some(isById)) return refused(node, request.topics)
  const missing = topicsToCreate(node, request, context)
  if (missing.length === 0) return answer(node, request, context, new Map())
  return create(node, missing, context).then(failures => answer(node, request, context, failures))
}

function topicsToCreate(node: Node, { topics, allowAutoTopicCreation = true }: Request, context: RequestContext): string[] {
  const mayCreate = (allowAutoTopicCreation || context.apiVersion < 4) && node.configs.boolean('auto.create.topics.enable')
  if (!mayCreate || !topics) return []
  const names = topics.flatMap(({ name }) => (name === null || node.topics.has(name) || topicNameProblem(name) ? [] : [name]))
  return [...new Set(names)].filter(name => !isInternalTopic(name))
}

async function create(node: Node, names: readonly string[], context: RequestContext): Promise<Map<string, number>> {
  const topics = names.map(name => ({ name, numPartitions: -1, replicationFactor: -1 }))
  const { topics: created } = await node.controller.change(() =>
    createTopics(node.metadata, { topics }, node.controller.contextFor(context, 0))
  )
  return new Map(created.map(({ name, errorCode }) => [name, errorCode]))
}

function answer(node: Node, request: Request, context: RequestContext, failures: ReadonlyMap<string, number>): Response {
  const { topics, includeClusterAuthorizedOperations, includeTopicAuthorizedOperations } = request
  const operations = includeTopicAuthorizedOperations ? allTopicOperations : operationsNotAsked
  const wantsAll = topics === null || (topics.length === 0 && context.apiVersion === 0)
  return {
    throttleTimeMs: 0,
    brokers: [{ nodeId: node.nodeId, host: node.endpoint.host, port: node.endpoint.port, rack: null }],
    clusterId: node.clusterId,
    controllerId: node.nodeId,
    clusterAuthorizedOperations: includeClusterAuthorizedOperations ? allClusterOperations : operationsNotAsked,
    topics: wantsAll
      ? servedTopics(node).map(state => described(state, operations))
      : eachTopicOnce(topics, context.apiVersion).map(wanted => topicAsked(node, wanted, failures, operations))
  }
}

/**
 * Each topic once. Where a client over the wire asks for one by its id, as with Kafka it gets all
 * by their ids, and none by its name.
 */
export function eachTopicOnce(topics: readonly Wanted[], apiVersion: number): readonly Wanted[] {
  const ids = new Set<string>()
  const names = new Set<string | null>()
  for (const { name, topicId = zeroUuid } of topics) {
    if (topicId !== zeroUuid) ids.add(topicId)
    names.add(name)
  }
  if (apiVersion === newestVersion && ids.size > 0) return topics
  return ids.size > 0 ? [...ids].map(topicId => ({ name: null, topicId })) : [...names].map(name => ({ name }))
}

/** Versions 10 and 11 have ids of topics in the request and cannot be asked by them. */
function refused({ clusterId }: Node, topics: readonly Wanted[]): Response {
  const errorCode = errorNumber('INVALID_REQUEST')
  return {
    throttleTimeMs: 0,
    brokers: [],
    clusterId,
    controllerId: -1,
    topics: topics.map(({ name, topicId = zeroUuid }) => ({ errorCode, name: name ?? '', topicId, isInternal: false, partitions: [] }))
  }
}

function topicAsked(
  node: Node,
  { name, topicId = zeroUuid }: Wanted,
  failures: ReadonlyMap<string, number>,
  operations: number
): TopicResponse {
  if (name === null) {
    const topic = node.findTopic('', topicId)
    const state = topic && servedTopic(node, topic.name)
    return state ? described(state, operations) : missing(null, errorNumber('UNKNOWN_TOPIC_ID'), topicId)
  }
  const absent = (errorCode: number) => ({ ...missing(name, errorCode), topicAuthorizedOperations: operations })
  if (topicNameProblem(name)) return absent(errorNumber('INVALID_TOPIC_EXCEPTION'))
  const state = servedTopic(node, name)
  if (state) return described(state, operations)
  const failure = failures.get(name)
  // Created meanwhile, or to be created when the client may create something again: it asks again.
  const isPassing = failure === errorNumber('TOPIC_ALREADY_EXISTS') || failure === errorNumber('THROTTLING_QUOTA_EXCEEDED')
  return absent(failure && !isPassing ? failure : errorNumber('UNKNOWN_TOPIC_OR_PARTITION'))
}

function described({ name, id, partitions }: TopicState, topicAuthorizedOperations: number): TopicResponse {
  return {
    errorCode: 0,
    name,
    topicId: id,
    isInternal: isInternalTopic(name),
    topicAuthorizedOperations,
    partitions: partitions.map(({ partition, leaderId, leaderEpoch, replicas, isr }) => ({
      errorCode: leaderId < 0 ? errorNumber('LEADER_NOT_AVAILABLE') : 0,
      partitionIndex: partition,
      leaderId,
      leaderEpoch,
      replicaNodes: [...replicas],
      isrNodes: [...isr],
      offlineReplicas: []
    }))
  }
}

function missing(name: string | null, errorCode: number, topicId = zeroUuid): TopicResponse {
  return { errorCode, name, topicId, isInternal: name !== null && isInternalTopic(name), partitions: [] }
}
