import { isPromise, type MaybePromise } from '../common/deferred.js'
import { KafkaError } from '../errors.js'
import type { Brokers } from '../protocol/broker.js'
import { CreateTopics } from '../protocol/messages/create-topics.js'
import type { AnyTopic } from '../record/topic.js'
import type { EnsureOptions, MetadataCache } from './metadata-cache.js'

const clusterDefault = -1

/**
 * Makes sure that a topic is known, as `MetadataCache.ensure` does. A typed topic that says how many partitions or which configs it wants,
 * and that does not exist yet, is created with them, where topics may be created at all.
 */
export function ensureTopic(
  topic: AnyTopic | string,
  brokers: Brokers,
  metadata: MetadataCache,
  options: EnsureOptions = {}
): MaybePromise<void> {
  if (typeof topic === 'string') return metadata.ensure([topic], options)
  const isDescribed = topic.partitions !== undefined || topic.configs !== undefined
  if (!isDescribed || options.allowAutoTopicCreation === false || metadata.topic(topic.name)) return metadata.ensure([topic.name], options)
  return ensureDescribed(topic, brokers, metadata, options)
}

async function ensureDescribed(topic: AnyTopic, brokers: Brokers, metadata: MetadataCache, options: EnsureOptions): Promise<void> {
  try {
    const known = metadata.ensure([topic.name], { ...options, allowAutoTopicCreation: false, unknownTopicRetries: 0 })
    if (isPromise(known)) await known
    return
  } catch (error) {
    if (!(error instanceof KafkaError && error.code === 'UNKNOWN_TOPIC_OR_PARTITION')) throw error
  }
  await createTopic(topic, brokers, options.signal)
  await metadata.ensure([topic.name], options)
}

async function createTopic({ name, partitions, configs = {} }: AnyTopic, brokers: Brokers, signal?: AbortSignal): Promise<void> {
  const wanted = {
    name,
    numPartitions: partitions ?? clusterDefault,
    replicationFactor: clusterDefault,
    configs: Object.entries(configs).map(([key, value]) => ({ name: key, value: String(value) }))
  }
  const { topics } = await brokers.any().request(CreateTopics, { topics: [wanted] }, signal)
  const created = topics.find(topic => topic.name === name)
  if (!created?.errorCode) return
  const error = KafkaError.fromNumber(created.errorCode, created.errorMessage, { topic: name })
  // Somebody else was quicker.
  if (error.code !== 'TOPIC_ALREADY_EXISTS') throw error
}
