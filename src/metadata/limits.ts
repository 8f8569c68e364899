import { heapLimitBytes } from '../common/machine-memory.js'
import { KafkaError } from '../errors.js'
import type { BrokerConfigs } from './broker-configs.js'
import type { ClusterMetadata } from './cluster-metadata.js'

/** Objects of one partition take about so much memory, whatever is in it. */
const bytesPerPartition = 12 * 1024
const mostPartitions = 100_000

/** How many partitions a node may have: as many as a quarter of the memory for objects holds, or what was configured. */
function partitionLimit(configs: BrokerConfigs): number {
  const configured = configs.number('millrace.max.partitions')
  return configured >= 0 ? configured : Math.min(mostPartitions, Math.floor(heapLimitBytes() / 4 / bytesPerPartition))
}

/** What one request may still add to a cluster. */
export class MetadataRoom {
  readonly #configs: BrokerConfigs
  #topics: number
  #partitions = 0

  constructor(metadata: ClusterMetadata, configs: BrokerConfigs) {
    this.#configs = configs
    this.#topics = metadata.topics.size
    for (const { partitions } of metadata.topics.values()) this.#partitions += partitions.length
  }

  /** Takes room for a topic. Throws POLICY_VIOLATION where there is none. */
  takeTopic(name: string): void {
    expectWithin('millrace.max.topics', this.#configs.number('millrace.max.topics'), this.#topics, 1, `the topic \`${name}\``, 'topics')
    this.#topics++
  }

  /** Takes room for partitions of a topic that has some already. Throws POLICY_VIOLATION where there is none. */
  takePartitions(name: string, present: number, count: number): void {
    const perTopic = 'millrace.max.partitions.per.topic'
    const what = `${count} partitions for \`${name}\``
    expectWithin(perTopic, this.#configs.number(perTopic), present, count, what, 'partitions of a topic')
    expectWithin('millrace.max.partitions', partitionLimit(this.#configs), this.#partitions, count, what, 'partitions in all')
    this.#partitions += count
  }
}

function expectWithin(config: string, limit: number, present: number, count: number, what: string, kind: string): void {
  if (present + count <= limit) return
  const message = `There is no room for ${what}: there are ${present} already, and \`${config}\` allows ${limit} ${kind}`
  throw new KafkaError('POLICY_VIOLATION', message)
}
