import type { Clock } from '../common/clock.js'
import type { Emitter } from '../common/emitter.js'
import { MemoryShares } from '../common/memory-shares.js'
import type { Random } from '../common/random.js'
import { zeroUuid } from '../common/uuid.js'
import { GroupCoordinator } from '../coordinator/group/group-coordinator.js'
import { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.js'
import { errorNumber, errorNumberOf, KafkaError } from '../errors.js'
import { historyOf, type Log } from '../log/log.js'
import { deletesOldSegments } from '../log/log-options.js'
import type { BrokerConfigs } from '../metadata/broker-configs.js'
import { BrokerLoggers } from '../metadata/broker-loggers.js'
import type { ClusterMetadata } from '../metadata/cluster-metadata.js'
import { groupOffsetsTopic, transactionStateTopic } from '../metadata/topic-name.js'
import type { Storage } from '../storage/storage.js'
import { Backlog } from './backlog/backlog.js'
import { ForetoldExpiry } from './backlog/foretold-expiry.js'
import type { LiveReaders } from './backlog/live-readers.js'
import { Memory } from './backlog/memory.js'
import type { BrokerNews } from './broker-news.js'
import { Controller } from './controller.js'
import { DelayedFetches } from './delayed-fetch.js'
import type { BrokerEvents } from './events.js'
import { FetchSessions } from './fetch-sessions.js'
import { FetchedBytes } from './fetched-bytes.js'
import { groupOptionsOf } from './group-options.js'
import { Housekeeping } from './housekeeping.js'
import { openInternalHost } from './internal-topic.js'
import { LogCleaner } from './log-cleaner.js'
import type { LogDirectory } from './log-directory.js'
import type { Node } from './node.js'
import { ProducerIds } from './producer-ids.js'
import { NodeQuotas } from './quotas/node-quotas.js'
import { abortReserving } from './reserving-transactions.js'
import type { StateHost } from './state-host.js'
import type { Topic } from './topic.js'
import { TopicRetention } from './topic-retention.js'
import type { TopicStore } from './topic-store.js'
import { writeMarker } from './transaction-markers.js'
import { transactionOptionsOf } from './transaction-options.js'
import { UserMakers } from './user-makers.js'

interface NodeParts {
  readonly nodeId: number
  readonly clusterId: string
  readonly clock: Clock
  readonly random: Random
  readonly storage: Storage
  readonly configs: BrokerConfigs
  readonly metadata: ClusterMetadata
  readonly news: BrokerNews
  readonly metadataHost: StateHost
  readonly metadataLog: Log
  readonly directory: LogDirectory
  readonly store: TopicStore
  readonly readers: LiveReaders
  readonly maxMemoryBytes: number
}

/**
 * One node of a cluster: its topics with their logs, its coordinators and its controller. Handlers
 * see of it what the interfaces of `node.ts` name.
 *
 * Size: it has one field for each part of a node, and no state beside them but whether it still
 * answers.
 */
export class LocalNode implements Node {
  readonly nodeId: number
  readonly clusterId: string
  readonly clock: Clock
  readonly random: Random
  readonly storage: Storage
  readonly configs: BrokerConfigs
  readonly loggers = new BrokerLoggers()
  /** Decided state: what exists. `topics` is what of it is open here. */
  readonly metadata: ClusterMetadata
  readonly controller: Controller
  readonly delayedFetches: DelayedFetches
  readonly fetchSessions: FetchSessions
  readonly events: Emitter<BrokerEvents>
  readonly maxFetchBytes: number
  readonly memoryShares: MemoryShares
  readonly fetchedBytes: FetchedBytes
  /** So long after its last fetch a client over the wire still counts as a reader. */
  readonly quietReaderMs: number
  readonly producerIds: ProducerIds
  readonly groups: GroupCoordinator
  readonly transactions: TransactionCoordinator
  readonly backlog: Backlog
  /** The counts of clients that are not in this process. */
  readonly quotas: NodeQuotas
  /** The users that made other users, at listeners without an authorizer. */
  readonly userMakers: UserMakers = new UserMakers()
  /**
   * The address at which clients elsewhere find this node, as Metadata tells it; set by a listener.
   */
  endpoint: { readonly host: string; readonly port: number } = { host: 'localhost', port: 9092 }
  readonly #store: TopicStore
  readonly #metadataHost: StateHost
  readonly #metadataLog: Log
  readonly #directory: LogDirectory
  readonly #news: BrokerNews
  readonly #retention: TopicRetention
  readonly #housekeeping: Housekeeping
  readonly #cleaner: LogCleaner
  #isClosed = false
  /** Another has the storage. */
  #fenced: KafkaError | undefined

  constructor(parts: NodeParts) {
    this.nodeId = parts.nodeId
    this.clusterId = parts.clusterId
    this.clock = parts.clock
    this.random = parts.random
    this.storage = parts.storage
    this.configs = parts.configs
    this.metadata = parts.metadata
    this.events = parts.news.events
    this.#news = parts.news
    this.#metadataHost = parts.metadataHost
    this.#metadataLog = parts.metadataLog
    this.#directory = parts.directory
    this.#store = parts.store
    this.delayedFetches = new DelayedFetches(parts.clock)
    const maxSessions = parts.configs.number('max.incremental.fetch.session.cache.slots')
    this.fetchSessions = new FetchSessions(parts.clock, parts.random, maxSessions)
    this.controller = new Controller(parts)
    this.quotas = new NodeQuotas(parts.clock, parts.metadata.clientQuotas, parts.configs)
    this.quietReaderMs = parts.configs.number('millrace.reader.quiet.ms')
    this.maxFetchBytes = parts.configs.number('fetch.max.bytes')
    this.groups = new GroupCoordinator({
      clock: parts.clock,
      random: parts.random,
      options: groupOptionsOf(parts.configs, this.topics.get(groupOffsetsTopic)),
      openHost: (partition, machine) => {
        const partitionCount = this.groups.options.offsetsTopicPartitions
        return openInternalHost(this, { name: groupOffsetsTopic, partitionCount, content: 'groups' }, partition, machine)
      },
      keepsForever: name => this.#keepsForever(name),
      topicIdOf: name => this.topics.get(name)?.id,
      onEvent: event => {
        if (event.type === 'offsetsExpiring') this.#news.tell('offsetsExpiring', event)
        else if (changesReaders.has(event.type)) this.backlog.readers.groupChanged(event.groupId)
        this.events.emit('group', event)
      }
    })
    this.memoryShares = new MemoryShares(parts.maxMemoryBytes)
    this.fetchedBytes = new FetchedBytes(this.memoryShares.records, parts.storage.memoryBytes === undefined)
    const memory = new Memory(this.memoryShares, parts.storage, this.topics)
    parts.readers.groups = this.groups
    this.backlog = new Backlog(parts.clock, parts.readers, memory)
    this.producerIds = new ProducerIds(this, () => (parts.storage.durable ? parts.metadataLog.sync() : undefined))
    const transactionOptions = transactionOptionsOf(parts.configs, this.topics.get(transactionStateTopic))
    this.transactions = new TransactionCoordinator({
      clock: parts.clock,
      options: transactionOptions,
      isAfterCrash: !parts.directory.wasClosed,
      openHost: (partition, machine) => {
        const { partitionCount } = transactionOptions
        return openInternalHost(this, { name: transactionStateTopic, partitionCount, content: 'transactions' }, partition, machine)
      },
      coordinatorEpoch: partition => this.topics.get(transactionStateTopic)?.partitions[partition]?.leaderEpoch ?? 0,
      nextProducerId: () => this.producerIds.next(),
      writeMarker: (topic, index, end, version) => {
        const partition = this.topics.get(topic)?.partitions[index]
        return partition && writeMarker(this, partition, end, version)
      },
      onFailed: (error, topic, index) => this.tell(error, `ending a transaction in ${topic}-${index}`)
    })
    parts.store.isInTransaction = (...batch) => this.transactions.includes(...batch)
    this.#retention = new TopicRetention({
      topics: this.topics,
      clock: parts.clock,
      foretold: new ForetoldExpiry(parts.clock, parts.metadata, parts.configs, event => parts.news.tell('recordsExpiring', event)),
      onFailed: this.#news.failed
    })
    const retentionMs = parts.configs.number('log.retention.check.interval.ms')
    this.#housekeeping = new Housekeeping(parts.clock, retentionMs, () => this.#retention.run(false))
    this.#cleaner = new LogCleaner({
      clock: parts.clock,
      topics: this.topics,
      backoffMs: () => parts.configs.number('log.cleaner.backoff.ms'),
      maxKeyBytes: () => parts.configs.number('log.cleaner.dedupe.buffer.size'),
      onCompacted: ({ topic, partition }, report) => this.events.emit('compacted', { topic, partition, ...report }),
      onFailed: ({ topic, partition }, error) => this.tell(error, `compaction of ${topic}-${partition}`)
    })
    this.storage.onLost = error => this.#fence(error)
    // On a disk it may wait; memory must not fill up meanwhile.
    if (!parts.storage.durable) parts.store.onRoll = () => this.#cleaner.wake()
  }

  /** The topics of this node, by name, with their partitions and logs. */
  get topics(): ReadonlyMap<string, Topic> {
    return this.#store.topics
  }

  /** The reason why the node answers nothing any more. */
  get refusal(): KafkaError | undefined {
    return this.#isClosed ? closedError() : this.#fenced
  }

  /** The leader epoch and the end of the log of the cluster's metadata. */
  get quorum(): { readonly leaderEpoch: number; readonly logEndOffset: number } {
    const { leaderEpochs } = historyOf(this.#metadataLog)
    return { leaderEpoch: leaderEpochs.latest?.epoch ?? 0, logEndOffset: this.#metadataLog.logEndOffset }
  }

  /** The topic by its id when one is given, else by its name. */
  findTopic(name: string, topicId: string): Topic | undefined {
    return topicId === zeroUuid ? this.#store.topics.get(name) : this.#store.byId(topicId)
  }

  /** The error for a topic that `findTopic` did not find. */
  unknownTopicError(topicId: string): number {
    return topicId === zeroUuid ? unknownTopic : unknownTopicId
  }

  #keepsForever(topic: string): boolean {
    const options = this.topics.get(topic)?.partitions[0]?.log.options
    return options !== undefined && (options.retentionMs < 0 || !deletesOldSegments(options))
  }

  /**
   * The number to answer with for what was thrown; what nobody foresaw, and a storage that fails,
   * is told as an `error` event as well.
   */
  errorNumberFor(error: unknown, during: string): number {
    const number = errorNumberOf(error)
    if (number === unexpected || number === storageFailed) this.tell(error, during)
    return number
  }

  /** Another owner has the storage: what waits ends, and what comes is refused. */
  #fence(error: KafkaError): void {
    this.#fenced = error
    this.delayedFetches.close(error)
    this.#news.tell('fenced', { error })
  }

  /** Emits an `error` event; where nobody listens, it becomes a warning of the process. */
  tell(error: unknown, during: string): void {
    this.#news.failed(error, during)
  }

  /** Applies retention, compacts what is due and writes the checkpoints, now. */
  async housekeeping(): Promise<void> {
    if (this.#isClosed) throw closedError()
    await this.#retention.run()
    await this.#cleaner.clean()
    await this.#directory.writeCheckpoints()
  }

  /**
   * Ends all waiting requests with CLOSED, and closes the logs once what is being written is
   * written. To be called once.
   */
  async close(): Promise<void> {
    this.#isClosed = true
    this.#retention.close()
    this.delayedFetches.close(closedError())
    this.backlog.close(closedError())
    await abortReserving(this).catch(error => this.tell(error, 'the end of the transactions that rely on conditions'))
    await this.transactions.close()
    await this.groups.close()
    await this.#housekeeping.close()
    await this.#cleaner.close()
    await this.controller.idle()
    await this.#metadataHost.close()
    await this.#directory.close()
    this.#news.close()
  }
}

/** After these a group may have other members, topics or partitions than before. */
const changesReaders: ReadonlySet<string> = new Set(['rebalanced', 'empty', 'dead'])
const unexpected = errorNumber('UNKNOWN_SERVER_ERROR')
const storageFailed = errorNumber('KAFKA_STORAGE_ERROR')
const unknownTopic = errorNumber('UNKNOWN_TOPIC_OR_PARTITION')
const unknownTopicId = errorNumber('UNKNOWN_TOPIC_ID')

function closedError(): KafkaError {
  return new KafkaError('CLOSED', 'The broker is closed')
}
