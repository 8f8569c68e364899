import type { Clock } from '../common/clock.js'
import { type Turns, turnsOf } from '../common/turns.js'
import type { KafkaError } from '../errors.js'
import { ProducerRoom } from '../log/history/producer-room.js'
import { historyOf, type Log } from '../log/log.js'
import { compacts, type LogOptions } from '../log/log-options.js'
import type { LogOpenOptions } from '../log/log-types.js'
import type { BrokerConfigs } from '../metadata/broker-configs.js'
import { type ClusterMetadata, type PartitionState, partitionRecord, resourceType, type TopicState } from '../metadata/cluster-metadata.js'
import { limitOf } from '../metadata/limits.js'
import type { MetadataRecord } from '../metadata/records.js'
import { logOptionsOf } from '../metadata/topic-configs.js'
import type { LiveReaders } from './backlog/live-readers.js'
import { PartitionBacklog } from './backlog/partition-backlog.js'
import { quotaOf } from './backlog/topic-quota.js'
import type { BrokerNews } from './broker-news.js'
import type { LogDirectory } from './log-directory.js'
import { backlogOf, followState, type IsInTransaction, markDeleted, Partition } from './partition.js'
import { addPartition, Topic } from './topic.js'

interface TopicStoreParts {
  readonly directory: LogDirectory
  readonly clock: Clock
  readonly configs: BrokerConfigs
  readonly news: BrokerNews
  readonly readers: LiveReaders
}

/**
 * The topics that are open on this node. It follows the metadata: what they say exists is opened
 * here, what they no longer say is removed.
 */
export class TopicStore {
  /** Called when a log that is compacted has begun a new segment. */
  onRoll: (() => void) | undefined
  /** Asked about batches of transactions. */
  isInTransaction: IsInTransaction = () => false
  readonly #parts: TopicStoreParts
  readonly #turns: Turns
  readonly #producerRoom: ProducerRoom
  readonly #topics = new Map<string, Topic>()
  readonly #byId = new Map<string, Topic>()

  constructor(parts: TopicStoreParts) {
    this.#parts = parts
    this.#turns = turnsOf(parts.clock)
    this.#producerRoom = new ProducerRoom(limitOf(parts.configs, 'millrace.max.producers'), () =>
      parts.configs.number('producer.id.expiration.ms')
    )
  }

  get topics(): ReadonlyMap<string, Topic> {
    return this.#topics
  }

  byId(topicId: string): Topic | undefined {
    return this.#byId.get(topicId)
  }

  /** Opens all that the metadata have, as a node does when it starts. */
  async openAll(metadata: ClusterMetadata): Promise<void> {
    for (const state of metadata.topics.values()) await this.#openTopic(state)
  }

  /**
   * Raises the leader epochs of partitions whose logs know later ones, as after files of a Kafka
   * were put in the place of theirs. Returns the records that make it last.
   */
  followLogs(metadata: ClusterMetadata): MetadataRecord[] {
    const records: MetadataRecord[] = []
    for (const { name, id, partitions } of metadata.topics.values()) {
      for (const partition of this.#topics.get(name)?.partitions ?? []) {
        const latest = historyOf(partition.log).leaderEpochs.latest?.epoch ?? -1
        const state = partitions[partition.partition]
        if (latest <= state.leaderEpoch) continue
        const followed = { ...state, leaderEpoch: latest, partitionEpoch: state.partitionEpoch + 1 }
        followState(partition, followed)
        records.push(partitionRecord(id, followed))
      }
    }
    return records
  }

  /** Follows records that the metadata have just replayed. */
  async apply(records: readonly MetadataRecord[], metadata: ClusterMetadata): Promise<void> {
    for (const name of this.#touchedBy(records, metadata)) {
      const state = metadata.topics.get(name)
      const topic = this.#topics.get(name)
      if (topic && topic.id !== state?.id) await this.#remove(topic)
      if (!state) continue
      if (topic?.id !== state.id) await this.#create(state)
      else await this.#update(topic, state, records)
    }
  }

  #touchedBy(records: readonly MetadataRecord[], metadata: ClusterMetadata): Set<string> {
    const names = new Set<string>()
    if (records.some(changesDefaults)) for (const name of this.#topics.keys()) names.add(name)
    for (const record of records) {
      if (record.type === 'topic') names.add(record.name)
      if (isTopicConfig(record)) names.add(record.resourceName)
      if (record.type === 'partition' || record.type === 'partitionChange' || record.type === 'removeTopic') {
        const name = this.#byId.get(record.topicId)?.name ?? metadata.topicById(record.topicId)?.name
        if (name !== undefined) names.add(name)
      }
    }
    return names
  }

  async #create(state: TopicState): Promise<void> {
    await this.#openTopic(state, true)
    this.#parts.news.tell('topicCreated', { topic: state.name, topicId: state.id, partitions: state.partitions.length })
  }

  async #openTopic(state: TopicState, isNew = false): Promise<void> {
    const topic = new Topic(state.name, state.id, await this.#openPartitions(state, state.partitions, isNew))
    this.#topics.set(topic.name, topic)
    this.#byId.set(topic.id, topic)
  }

  async #openPartitions(state: TopicState, partitions: readonly PartitionState[], isNew: boolean): Promise<Partition[]> {
    const logOptions = this.#logOptions(state)
    const opened: Partition[] = []
    for (const partition of partitions) {
      opened.push(await this.#openPartition(state, partition, logOptions, isNew))
      const turn = this.#turns.yieldWhenOver()
      if (turn) await turn
    }
    return opened
  }

  async #openPartition(state: TopicState, partition: PartitionState, logOptions: LogOptions, isNew: boolean): Promise<Partition> {
    const { directory, clock, news, readers, configs } = this.#parts
    const backlog = new PartitionBacklog(state.name, partition.partition, readers, configs.durable)
    const folder = folderOf(state.name, partition.partition)
    const options: LogOpenOptions = {
      ...logOptions,
      clock,
      onRoll: () => {
        if (this.onRoll && compacts(log.options)) this.onRoll()
      },
      onSegmentsRemoved: ({ segments, reason, from, logStartOffset }) => {
        const where = { topic: state.name, partition: partition.partition }
        news.tell('segmentsRemoved', { ...where, segments, reason, logStartOffset })
        if (reason === 'deletion') return
        for (const loss of backlog.losses(from, logStartOffset))
          news.tell('recordsLost', { ...where, ...loss, records: loss.to - loss.from, reason })
      },
      keepFrom: () => backlog.keepFrom(),
      producerRoom: this.#producerRoom,
      isOwned: true,
      onRoom: news.foundRoom,
      onFailure: failure => news.failed(failure, `writing to ${folder}`),
      onDamage: damage => news.failed(damage, `reading ${folder}`)
    }
    const log: Log = await (isNew ? directory.createLog(folder, state.id, options) : directory.openLog(folder, state.id, options))
    this.#tellOfRecovery(state.name, partition.partition, log)
    backlog.log = log
    backlog.quota = quotaOf(state, this.#parts.configs)
    return new Partition(state.name, partition, log, backlog, (...batch) => this.isInTransaction(...batch))
  }

  #tellOfRecovery(topic: string, partition: number, log: Log): void {
    const { news, directory } = this.#parts
    const { batches, tornTail } = log.recovery
    if (log.isStopped) news.tell('partitionStopped', { topic, partition, error: log.failure?.cause as KafkaError })
    // Nothing was taken away; and the owner may just be writing there.
    if (directory.isReadOnly) return
    if (batches > 0 || tornTail) news.tell('logRecovered', { topic, partition, batches, logEndOffset: log.logEndOffset })
    if (tornTail) news.tell('tornTail', { topic, partition, ...tornTail })
  }

  async #update(topic: Topic, state: TopicState, records: readonly MetadataRecord[]): Promise<void> {
    const { news } = this.#parts
    for (const partition of topic.partitions) followState(partition, state.partitions[partition.partition])
    const added = await this.#openPartitions(state, state.partitions.slice(topic.partitions.length), true)
    for (const partition of added) addPartition(topic, partition)
    if (added.length > 0) news.tell('partitionsAdded', { topic: topic.name, partitions: topic.partitions.length })
    const isOwn = records.some(record => isTopicConfig(record) && record.resourceName === topic.name)
    if (!isOwn && !records.some(changesDefaults)) return
    const options = this.#logOptions(state)
    const quota = quotaOf(state, this.#parts.configs)
    for (const partition of topic.partitions) {
      const { log } = partition
      const backlog = backlogOf(partition)
      await this.#turns.yieldWhenOver()
      log.configure(options)
      backlog.quota = quota
    }
    if (isOwn) news.tell('topicConfigured', { topic: topic.name, configs: new Map(state.configs) })
  }

  async #remove(topic: Topic): Promise<void> {
    this.#topics.delete(topic.name)
    this.#byId.delete(topic.id)
    for (const partition of topic.partitions) {
      markDeleted(partition)
      this.#parts.readers.deleted(topic.name, partition.partition, topic.id, partition.highWatermark)
    }
    await this.#parts.directory.deleteLogs(topic.partitions.map(({ partition }) => folderOf(topic.name, partition)))
    this.#parts.news.tell('topicDeleted', { topic: topic.name, topicId: topic.id })
  }

  #logOptions(state: TopicState): LogOptions {
    return logOptionsOf(config => state.configs.get(config.name) ?? this.#parts.configs.topicDefault(config))
  }
}

function isTopicConfig(record: MetadataRecord): record is MetadataRecord & { readonly type: 'config' } {
  return record.type === 'config' && record.resourceType === resourceType.topic
}

/** True if topics that leave configs out may have others from now on. */
function changesDefaults(record: MetadataRecord): boolean {
  return record.type === 'config' && record.resourceType === resourceType.broker
}

function folderOf(topic: string, partition: number): string {
  return `${topic}-${partition}`
}
