import { heapLimitBytes } from '../common/machine-memory.js'
import { KafkaError } from '../errors.js'
import type { BrokerConfigs } from './broker-configs.js'
import type { ClusterMetadata } from './cluster-metadata.js'

interface Derived {
  /** The part of the memory for objects that all of them may take. */
  readonly share: number
  /** Memory that one takes, whatever is in it. */
  readonly bytesEach: number
  readonly most: number
}

/** Limits that follow from the memory of the process where they are not configured. */
const derived = {
  'millrace.max.partitions': { share: 1 / 4, bytesEach: 12 * 1024, most: 100_000 },
  'millrace.max.groups': { share: 1 / 16, bytesEach: 2 * 1024, most: 50_000 },
  'millrace.max.members': { share: 1 / 8, bytesEach: 5 * 1024, most: 50_000 },
  'millrace.max.committed.offsets': { share: 1 / 8, bytesEach: 512, most: 500_000 },
  'millrace.max.producers': { share: 1 / 16, bytesEach: 768, most: 500_000 },
  // They are kept twice: for the groups as they are, and as they are stored.
  'millrace.max.group.bytes': { share: 1 / 8, bytesEach: 2, most: 64 * 1024 * 1024 }
} as const satisfies { readonly [config: string]: Derived }

/** The value of a limit: as configured, or derived from the memory of the process. */
export function limitOf(configs: BrokerConfigs, name: keyof typeof derived): number {
  const configured = configs.number(name)
  const { share, bytesEach, most } = derived[name]
  return configured >= 0 ? configured : Math.min(most, Math.floor((heapLimitBytes() * share) / bytesEach))
}

/** The room that is left for additions by one request. */
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

  /**
   * Takes room for partitions of a topic that has some already. Throws POLICY_VIOLATION where there
   * is none.
   */
  takePartitions(name: string, present: number, count: number): void {
    const perTopic = 'millrace.max.partitions.per.topic'
    const what = `${count} partitions for \`${name}\``
    expectWithin(perTopic, this.#configs.number(perTopic), present, count, what, 'partitions of a topic')
    expectWithin(
      'millrace.max.partitions',
      limitOf(this.#configs, 'millrace.max.partitions'),
      this.#partitions,
      count,
      what,
      'partitions in all'
    )
    this.#partitions += count
  }
}

function expectWithin(config: string, limit: number, present: number, count: number, what: string, kind: string): void {
  if (present + count <= limit) return
  const message = `There is no room for ${what}: there are ${present} already, and \`${config}\` allows ${limit} ${kind}`
  throw new KafkaError('POLICY_VIOLATION', message)
}
