import { isPromise, type MaybePromise, whenThere } from '../common/deferred.js'
import { errorCodeOf, KafkaError } from '../errors.js'
import type { Brokers } from '../protocol/broker.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import { CreateTopics } from '../protocol/messages/create-topics.js'
import { isOwnConfig } from '../record/backlog-quota.js'
import type { AnyTopic } from '../record/topic.js'
import type { EnsureOptions, MetadataCache } from './metadata-cache.js'
import { compareWithDescription, isDescribed } from './topic-description.js'

const clusterDefault = -1

/**
 * Makes sure that a topic is known, as `MetadataCache.ensure` does. A typed topic that says how
 * many partitions or which configs it wants, and that does not exist yet, is created with them,
 * where topics may be created at all.
 */
export function ensureTopic(
  topic: AnyTopic | string,
  brokers: Brokers,
  metadata: MetadataCache,
  options: EnsureOptions = {}
): MaybePromise<void> {
  if (typeof topic === 'string') return metadata.ensure([topic], options)
  const mayCreate = isDescribed(topic) && options.allowAutoTopicCreation !== false && !metadata.topic(topic.name)
  const ensured = mayCreate ? ensureDescribed(topic, brokers, metadata, options) : metadata.ensure([topic.name], options)
  return whenThere(ensured, () => compareWithDescription(topic, brokers, metadata))
}

async function ensureDescribed(topic: AnyTopic, brokers: Brokers, metadata: MetadataCache, options: EnsureOptions): Promise<void> {
  try {
    const known = metadata.ensure([topic.name], { ...options, allowAutoTopicCreation: false, unknownTopicRetries: 0 })
    if (isPromise(known)) await known
    return
  } catch (error) {
    if (!(error instanceof KafkaError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION')) throw error
  }
  if (await createTopic(topic, brokers, options.signal)) metadata.compareOnce(topic)
  await metadata.ensure([topic.name], options)
}

/** Returns whether the topic was created here: somebody else may have been quicker. */
async function createTopic({ name, partitions, configs = {} }: AnyTopic, brokers: Brokers, signal?: AbortSignal): Promise<boolean> {
  const wanted = {
    name,
    numPartitions: partitions ?? clusterDefault,
    replicationFactor: clusterDefault,
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value: String(value) }))
  }
  const ask = (request: Request) => Promise.resolve(brokers.any().request(CreateTopics, request, signal))
  const { topics } = await createAnywhere({ topics: [wanted] }, ask)
  const created = topics.find(topic => topic.name === name)
  if (!created?.errorCode) return true
  const error = KafkaError.fromNumber(created.errorCode, created.errorMessage, { topic: name })
  if (error.code !== 'TOPIC_ALREADY_EXISTS') throw error
  return false
}

type Request = RequestOf<typeof CreateTopics>
type Response = ResponseOf<typeof CreateTopics>

/** True if a topic was refused because a config is not known, in Kafka's words. */
function isUnknownConfig({ errorCode, errorMessage }: Response['topics'][number]): boolean {
  return errorCodeOf(errorCode) === 'INVALID_CONFIG' && /unknown/i.test(errorMessage ?? '')
}

/**
 * Creates topics; a cluster that refuses configs which only this library has creates them without
 * these.
 */
export async function createAnywhere(request: Request, ask: (request: Request) => Promise<Response>): Promise<Response> {
  const response = await ask(request)
  const portable = request.topics.filter(({ name, configs = [] }, i) => {
    return (
      response.topics.some(topic => topic.name === name && isUnknownConfig(topic)) &&
      configs.some(config => isOwnConfig(config.name)) &&
      request.topics.findIndex(topic => topic.name === name) === i
    )
  })
  if (portable.length === 0) return response
  const topics = portable.map(topic => ({ ...topic, configs: topic.configs?.filter(config => !isOwnConfig(config.name)) ?? [] }))
  const again = await ask({ ...request, topics })
  return { ...response, topics: response.topics.map(topic => again.topics.find(({ name }) => name === topic.name) ?? topic) }
}
