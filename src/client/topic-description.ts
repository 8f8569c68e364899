import { Warnings } from '../common/warnings.js'
import type { Brokers } from '../protocol/broker.js'
import { DescribeConfigs } from '../protocol/messages/describe-configs.js'
import type { AnyTopic } from '../record/topic.js'
import type { MetadataCache } from './metadata-cache.js'

const topicResource = 2

const warnings = new Warnings()

/** Tells topics that say how many partitions or which configs they want. */
export function isDescribed({ partitions, configs }: AnyTopic): boolean {
  return partitions !== undefined || configs !== undefined
}

/**
 * Compares a topic that exists with its description, once, and warns where they differ: a
 * description counts only when its topic is created, so that `keep: 'forever'`, for one, keeps
 * nothing of a topic that was there before.
 */
export function compareWithDescription(topic: AnyTopic, brokers: Brokers, metadata: MetadataCache): void {
  if (!isDescribed(topic)) return
  const known = metadata.topic(topic.name)
  if (!known || !metadata.compareOnce(topic)) return
  const { partitions, configs } = topic
  const found = known.partitions.length
  if (partitions !== undefined && partitions !== found)
    tell(topic, `${partitions} ${partitions === 1 ? 'partition' : 'partitions'}`, `${found}`, 'createPartitions')
  if (configs) void compareConfigs(topic, configs, brokers)
}

async function compareConfigs(topic: AnyTopic, wanted: NonNullable<AnyTopic['configs']>, brokers: Brokers): Promise<void> {
  const resources = [{ resourceType: topicResource, resourceName: topic.name, configurationKeys: Object.keys(wanted) }]
  try {
    const { results } = await brokers.any().request(DescribeConfigs, { resources })
    for (const { name, value } of results[0]?.configs ?? []) {
      if (name in wanted && value !== String(wanted[name])) tell(topic, `${name}=${wanted[name]}`, `${name}=${value}`, 'alterConfigs')
    }
  } catch {
    // A cluster that does not tell its configs leaves nothing to compare.
  }
}

function tell({ name }: AnyTopic, described: string, found: string, remedy: string): void {
  const text = `Topic \`${name}\` is described with ${described}, and has ${found}. A description counts only when a topic is created: `
  warnings.warn(`${text}change the topic (\`admin().${remedy}\`), or its description`, 'TOPIC_DIFFERS')
}
