import type { Clock } from '../../common/clock.js'
import type { BrokerConfigs } from '../../metadata/broker-configs.js'
import type { ClusterMetadata } from '../../metadata/cluster-metadata.js'
import { isInternalTopic } from '../../metadata/topic-name.js'
import type { BrokerEvents } from '../events.js'
import { backlogOf, type Partition } from '../partition.js'

type Expiring = Parameters<BrokerEvents['recordsExpiring']>[0]

/** So long before records are removed it is told, or a seventh of their time before. */
const longestLeadMs = 24 * 3_600_000

/**
 * Tells, once per topic, that records are about to be removed for their age for the first time,
 * where that may be a surprise: nobody has read them, or nobody has chosen how long they are kept.
 */
export class ForetoldExpiry {
  readonly #clock: Clock
  readonly #metadata: ClusterMetadata
  readonly #configs: BrokerConfigs
  readonly #tell: (event: Expiring) => void
  /** Topics of which it was told, by id. */
  readonly #told = new Set<string>()

  constructor(clock: Clock, metadata: ClusterMetadata, configs: BrokerConfigs, tell: (event: Expiring) => void) {
    this.#clock = clock
    this.#metadata = metadata
    this.#configs = configs
    this.#tell = tell
  }

  /**
   * Tells what there is to tell of a partition. Returns whether that was told before, or nothing
   * is.
   */
  async tellOf(assigned: Partition): Promise<boolean> {
    const { topic, partition, log } = assigned
    const backlog = backlogOf(assigned)
    const state = this.#metadata.topics.get(topic)
    if (!state || isInternalTopic(topic) || this.#told.has(state.id)) return true
    const expiry = await log.nextExpiry()
    const { retentionMs } = log.options
    if (!expiry || expiry.at - Math.min(longestLeadMs, retentionMs / 7) > this.#clock.now()) return true
    const isChosen = state.configs.has(retention) || this.#configs.isGiven(`log.${retention}`)
    const isRead = backlog.isReadUpTo(expiry.upTo)
    if (isChosen && isRead) return true
    this.#told.add(state.id)
    // Topics that are gone are not remembered for ever.
    if (this.#told.size > 2 * this.#metadata.topics.size)
      for (const id of this.#told) if (!this.#metadata.topicById(id)) this.#told.delete(id)
    this.#tell({ topic, partition, records: expiry.upTo - log.logStartOffset, at: expiry.at, retentionMs, isRead })
    return false
  }
}

const retention = 'retention.ms'
