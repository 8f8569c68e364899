import type { EventEmitter } from 'eventemitter3'
import type { Clock } from '../common/clock.js'
import { Log } from '../log/log.js'
import { compacts, type LogOptions } from '../log/log-options.js'
import type { BrokerConfigs } from '../metadata/broker-configs.js'
import { type ClusterMetadata, type PartitionState, resourceType, type TopicState } from '../metadata/cluster-metadata.js'
import type { MetadataRecord } from '../metadata/records.js'
import { logOptionsOf } from '../metadata/topic-configs.js'
import type { Storage } from '../storage/storage.js'
import type { BrokerEvents } from './events.js'
import { Partition } from './partition.js'
import { Topic } from './topic.js'

interface Surroundings {
  readonly storage: Storage
  readonly clock: Clock
  readonly configs: BrokerConfigs
  readonly events: EventEmitter<BrokerEvents>
}

/** The topics that are open on this node. It follows the metadata: what they say exists is opened here, what they no longer say is removed. */
export class TopicStore {
  /** Called when a log that is compacted has begun a new segment. */
  onRoll: (() => void) | undefined
  readonly #surroundings: Surroundings
  readonly #topics = new Map<string, Topic>()
  readonly #byId = new Map<string, Topic>()

  constructor(surroundings: Surroundings) {
    this.#surroundings = surroundings
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

  async close(): Promise<void> {
    for (const topic of this.#topics.values()) for (const { log } of topic.partitions) await log.close()
  }

  #touchedBy(records: readonly MetadataRecord[], metadata: ClusterMetadata): Set<string> {
    const names = new Set<string>()
    for (const record of records) {
      if (record.type === 'topic') names.add(record.name)
      if (record.type === 'config' && record.resourceType === resourceType.topic) names.add(record.resourceName)
      if (record.type === 'partition' || record.type === 'removeTopic') {
        const name = this.#byId.get(record.topicId)?.name ?? metadata.topicById(record.topicId)?.name
        if (name !== undefined) names.add(name)
      }
    }
    return names
  }

  async #create(state: TopicState): Promise<void> {
    // A deletion that was cut short by a crash may have left its files behind.
    for (const { partition } of state.partitions) await this.#surroundings.storage.remove(folderOf(state.name, partition))
    await this.#openTopic(state)
    this.#surroundings.events.emit('topicCreated', { topic: state.name, topicId: state.id, partitions: state.partitions.length })
  }

  async #openTopic(state: TopicState): Promise<void> {
    const partitions: Partition[] = []
    for (const partition of state.partitions) partitions.push(await this.#openPartition(state, partition))
    const topic = new Topic(state.name, state.id, partitions)
    this.#topics.set(topic.name, topic)
    this.#byId.set(topic.id, topic)
  }

  async #openPartition(state: TopicState, partition: PartitionState): Promise<Partition> {
    const { storage, clock, events } = this.#surroundings
    const log: Log = await Log.open(storage, folderOf(state.name, partition.partition), {
      ...this.#logOptions(state),
      clock,
      onRoll: () => {
        if (this.onRoll && compacts(log.options)) this.onRoll()
      },
      onSegmentsRemoved: ({ segments, logStartOffset }) =>
        events.emit('segmentsRemoved', { topic: state.name, partition: partition.partition, segments, logStartOffset })
    })
    return new Partition(state.name, partition, log)
  }

  async #update(topic: Topic, state: TopicState, records: readonly MetadataRecord[]): Promise<void> {
    const { events } = this.#surroundings
    const added = state.partitions.slice(topic.partitions.length)
    for (const partition of added) {
      await this.#surroundings.storage.remove(folderOf(state.name, partition.partition))
      topic.add(await this.#openPartition(state, partition))
    }
    if (added.length > 0) events.emit('partitionsAdded', { topic: topic.name, partitions: topic.partitions.length })
    if (!records.some(record => record.type === 'config' && record.resourceName === topic.name)) return
    for (const { log } of topic.partitions) log.configure(this.#logOptions(state))
    events.emit('topicConfigured', { topic: topic.name, configs: new Map(state.configs) })
  }

  async #remove(topic: Topic): Promise<void> {
    this.#topics.delete(topic.name)
    this.#byId.delete(topic.id)
    for (const partition of topic.partitions) partition.markDeleted()
    for (const { log, partition } of topic.partitions) {
      await log.close()
      await this.#surroundings.storage.remove(folderOf(topic.name, partition))
    }
    this.#surroundings.events.emit('topicDeleted', { topic: topic.name, topicId: topic.id })
  }

  #logOptions(state: TopicState): LogOptions {
    return logOptionsOf(config => state.configs.get(config.name) ?? this.#surroundings.configs.topicDefault(config))
  }
}

function folderOf(topic: string, partition: number): string {
  return `${topic}-${partition}`
}
