import { Access } from '../authorizer/access.js'
import type { Clock } from '../common/clock.js'
import { type CloseOptions, closeTimeoutMs, endOf, unlimited } from '../common/closing.js'
import { isPromise, type MaybePromise } from '../common/deferred.js'
import type { Emitter } from '../common/emitter.js'
import { guardedClock } from '../common/guarded-clock.js'
import { release } from '../common/lease.js'
import { MemoryShares } from '../common/memory-shares.js'
import { expectInteger, expectKnownKeys, expectOneOf, expectString } from '../common/options.js'
import { guardedRandom, type Random, systemRandom } from '../common/random.js'
import { systemClock } from '../common/system-clock.js'
import { type Turns, turnsOf } from '../common/turns.js'
import { zeroUuid } from '../common/uuid.js'
import { GroupCoordinator } from '../coordinator/group/group-coordinator.js'
import { TransactionCoordinator } from '../coordinator/transaction/transaction-coordinator.js'
import { errorNumber, errorNumberOf, KafkaError } from '../errors.js'
import { type AppendOrigin, appendOrigins } from '../log/append/batch-validation.js'
import { expectStorage } from '../log/arguments.js'
import type { Log } from '../log/log.js'
import { deletesOldSegments } from '../log/log-options.js'
import { BrokerConfigs, type ConfigValues } from '../metadata/broker-configs.js'
import { BrokerLoggers } from '../metadata/broker-loggers.js'
import { ClusterMetadata, elections, type MetadataDecision, resourceType } from '../metadata/cluster-metadata.js'
import type { ControllerContext } from '../metadata/create-topics.js'
import { MetadataMachine, stateRecord } from '../metadata/metadata-machine.js'
import type { MetadataRecord } from '../metadata/records.js'
import type { ScramCredentialState } from '../metadata/scram-state.js'
import { groupOffsetsTopic, transactionStateTopic } from '../metadata/topic-name.js'
import { anonymous, type ClientAccess } from '../protocol/access.js'
import { tellFate } from '../protocol/broker.js'
import type { Api, RequestOf, ResponseOf } from '../protocol/message.js'
import { ConditionalAppend } from '../protocol/messages/conditional-append.js'
import { Fetch } from '../protocol/messages/fetch.js'
import { Produce } from '../protocol/messages/produce.js'
import type { MeteredBroker } from '../protocol/quotas.js'
import type { Storage } from '../storage/storage.js'
import { answerGuarded } from './access/access-table.js'
import { handlerOf } from './api-table.js'
import { Backlog } from './backlog/backlog.js'
import { ForetoldExpiry } from './backlog/foretold-expiry.js'
import { LiveReaders } from './backlog/live-readers.js'
import { defaultMemoryBytes, leastMemoryBytes, Memory } from './backlog/memory.js'
import { BrokerNews } from './broker-news.js'
import { DelayedFetches } from './delayed-fetch.js'
import type { BrokerEvents } from './events.js'
import { FetchSessions } from './fetch-sessions.js'
import { FetchedBytes } from './fetched-bytes.js'
import { groupOptionsOf } from './group-options.js'
import { Housekeeping } from './housekeeping.js'
import { openInternalHost, usedPartitions } from './internal-topic.js'
import { LogCleaner } from './log-cleaner.js'
import { logDirOf } from './log-dir.js'
import { LogDirectory } from './log-directory.js'
import { metadataLog } from './metadata-log.js'
import { MetadataSnapshots } from './metadata-snapshot.js'
import type { Node } from './node.js'
import { nodeIdentity } from './node-identity.js'
import { isOwnRecord, replayOwnConfigs, saveOwnConfigs } from './own-topic-configs.js'
import { ProducerIds } from './producer-ids.js'
import { ClientMeter } from './quotas/client-meter.js'
import { NodeQuotas } from './quotas/node-quotas.js'
import { RemoteWrites } from './remote-writes.js'
import { newestVersion, type RequestContext } from './request-context.js'
import { StateHost, type StateHostOptions } from './state-host.js'
import type { Topic } from './topic.js'
import { TopicStore } from './topic-store.js'
import { writeMarker } from './transaction-markers.js'
import { transactionOptionsOf } from './transaction-options.js'
import { finishTransactions } from './undecided-transactions.js'
import { UserMakers } from './user-makers.js'

export interface LocalBrokerOptions {
  /** The storage of logs and metadata. The broker does not close it. */
  readonly storage: Storage
  /** Default: the clock of the machine. */
  readonly clock?: Clock
  /** Default: chance that nobody can foretell. */
  readonly random?: Random
  /** Default: 0. */
  readonly nodeId?: number
  /** Kafka's broker configs, by their dotted names (`num.partitions`, `log.retention.ms`, …). Default: Kafka's defaults. */
  readonly configs?: ConfigValues
  /** The most bytes that it may hold on behalf of records, as `ClusterOptions.maxMemoryBytes` says. Default: an eighth of the machine's memory, at least 64 MiB and at most 1 GiB. */
  readonly maxMemoryBytes?: number
}

/** The identity of a client, as groups and errors show it. */
export interface ClientIdentity {
  readonly clientId: string
  /** Default: `/in-process`. */
  readonly clientHost?: string
  /** The version in which its requests were encoded. Default: the newest, as nothing was encoded. */
  readonly apiVersion?: number
  /** The trust in the batches that it produces. Default: `'client'`, not at all. */
  readonly origin?: AppendOrigin
  /** The principal of the client, and the rules of the listener that it came in by. Default: no rules; it may do everything. */
  readonly access?: ClientAccess
  /** Stands for the connection of a client that is not in this process, which then counts as a reader of what it fetches. Default: it is in this process. */
  readonly connection?: object
}

/** One node of a cluster, in this process: its topics with their logs, and the answers to all that clients ask. */
export class LocalBroker implements Node {
  readonly nodeId: number
  readonly clusterId: string
  readonly clock: Clock
  readonly random: Random
  readonly storage: Storage
  readonly configs: BrokerConfigs
  readonly loggers = new BrokerLoggers()
  /** Decided state: what exists. `topics` is what of it is open here. */
  readonly metadata: ClusterMetadata
  readonly delayedFetches: DelayedFetches
  readonly fetchSessions: FetchSessions
  readonly events: Emitter<BrokerEvents>
  readonly maxFetchBytes: number
  /** @internal */
  readonly memoryShares: MemoryShares
  /** @internal */
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
  readonly #store: TopicStore
  readonly #metadataHost: StateHost
  readonly #metadataLog: Log
  readonly #directory: LogDirectory
  readonly #news: BrokerNews
  readonly #housekeeping: Housekeeping
  readonly #cleaner: LogCleaner
  readonly #turns: Turns
  readonly #foretold: ForetoldExpiry
  #endpoint = { host: 'localhost', port: 9092 }
  #changes: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined
  /** Why the node answers nothing any more: another has its storage. */
  #fenced: KafkaError | undefined

  private constructor(parts: Parts) {
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
    this.#turns = turnsOf(parts.clock)
    this.#foretold = new ForetoldExpiry(parts.clock, parts.metadata, parts.configs, event => parts.news.tell('recordsExpiring', event))
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
    this.#housekeeping = new Housekeeping(parts.clock, parts.configs.number('log.retention.check.interval.ms'), () =>
      this.#applyRetention(false)
    )
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

  /** Opens what the storage holds, or starts anew in an empty one. */
  static async open(options: LocalBrokerOptions): Promise<LocalBroker> {
    expectKnownKeys('a broker', options, ['storage', 'clock', 'random', 'nodeId', 'configs', 'maxMemoryBytes'])
    const { storage, nodeId = 0, configs: given = {} } = options
    expectStorage(storage)
    const clock = guardedClock(options.clock === undefined ? systemClock : options.clock)
    const random = guardedRandom(options.random === undefined ? systemRandom : options.random)
    expectInteger('nodeId', nodeId, 0, 2 ** 31 - 1)
    const { maxMemoryBytes = defaultMemoryBytes() } = options
    expectInteger('maxMemoryBytes', maxMemoryBytes, leastMemoryBytes)
    const configs = new BrokerConfigs(given, storage.durable)
    if (storage.prepare) await storage.prepare()
    const metadata = new ClusterMetadata()
    configs.follow({
      ofNode: () => metadata.configsOf(resourceType.broker, String(nodeId)),
      ofAll: () => metadata.configsOf(resourceType.broker, '')
    })
    const logDir = logDirOf(storage)
    configs.tell({
      'broker.id': `${nodeId}`,
      'node.id': `${nodeId}`,
      'process.roles': 'broker,controller',
      'log.dir': logDir,
      'log.dirs': logDir
    })
    const news = new BrokerNews()
    const onError = news.failed
    const onDamage = (damage: KafkaError) => onError(damage, `reading \`${damage.file}\``)
    const { clusterId, directoryId } = await nodeIdentity(storage, nodeId, random, onDamage)
    storage.onError = (error, name) => onError(error, `writing \`${name}\``)
    storage.onLost = error => news.tell('fenced', { error })
    const directory = await LogDirectory.open({ storage, clock, random, onError })
    try {
      const log = await metadataLog(directory, clock, failure => onError(failure, 'writing metadata'), onDamage)
      const machine = new MetadataMachine(metadata)
      const snapshots = new MetadataSnapshots(storage, log, clock)
      const replayFrom = await snapshots.replay(machine)
      const writeSnapshot: StateHostOptions['writeSnapshot'] = (endOffset, records) => snapshots.write(endOffset, records)
      const metadataHost = await StateHost.open(log, machine, { clock, replayFrom, ...(storage.durable && { writeSnapshot }) })
      const decide = async (records: readonly MetadataRecord[]) => {
        if (records.length === 0) return
        if (storage.readOnly) for (const record of records) metadata.replay(record)
        else await metadataHost.run(() => ({ records: records.map(stateRecord), committed: () => {} }))
      }
      if (log.logEndOffset === 0) {
        if (storage.durable && directoryId !== undefined) await snapshots.foundQuorum(nodeId, directoryId)
        await decide([...metadata.snapshot()])
      } else if (storage.durable && !storage.readOnly && (await snapshots.isMissing())) {
        await snapshots.write(log.logEndOffset, machine.snapshot())
      }
      await decide([...elections(metadata, nodeId)])
      await replayOwnConfigs(storage, metadata).catch(error => onError(error, 'reading the configs of topics that Kafka does not have'))
      const readers = new LiveReaders(() => clock.monotonic())
      const store = new TopicStore({ directory, clock, configs, news, readers })
      await store.openAll(metadata)
      await decide(store.followLogs(metadata))
      for (const folder of await directory.setAsideStrays()) news.tell('straySetAside', { folder })
      directory.start()
      const served = { storage, configs, metadata, metadataLog: log, news, metadataHost, directory, store, readers, maxMemoryBytes }
      const parts = { nodeId, clusterId, clock, random, ...served }
      const broker = new LocalBroker(parts)
      try {
        await broker.groups.load(usedPartitions(broker.topics, groupOffsetsTopic))
        if (!storage.readOnly) await finishTransactions(broker).catch(error => onError(error, 'ending transactions that were left open'))
        for (const groupId of broker.groups.liveGroups()) readers.groupChanged(groupId)
        if (!storage.readOnly)
          await broker.groups.keepTopics(metadata.topics).catch(error => onError(error, 'dropping offsets of deleted topics'))
        news.open(clock)
        return broker
      } catch (error) {
        await broker.close({ timeoutMs: unlimited })
        throw error
      }
    } catch (error) {
      await directory.abandon()
      throw error
    }
  }

  /** The topics of this node, by name, with their partitions and logs. */
  get topics(): ReadonlyMap<string, Topic> {
    return this.#store.topics
  }

  /** The address at which clients elsewhere find this node, as Metadata tells it; set by a listener. */
  get endpoint(): { readonly host: string; readonly port: number } {
    return this.#endpoint
  }

  /** The leader epoch and the end of the log of the cluster's metadata. */
  get quorum(): { readonly leaderEpoch: number; readonly logEndOffset: number } {
    const { leaderEpochs, logEndOffset } = this.#metadataLog
    return { leaderEpoch: leaderEpochs.latest?.epoch ?? 0, logEndOffset }
  }

  advertise(host: string, port: number): void {
    expectString('host', host)
    expectInteger('port', port, 0, 65535)
    this.#endpoint = { host, port }
  }

  get controllerContext(): ControllerContext {
    return { random: this.random, nodeIds: [this.nodeId], configs: this.configs }
  }

  /** The context of the controller for a change that a client asks for, which from version `firstStrictVersion` on is refused where its quota is exceeded. */
  controllerContextFor({ apiVersion, meter }: RequestContext, firstStrictVersion: number = newestVersion): ControllerContext {
    const isStrict = apiVersion >= firstStrictVersion
    const mutate = meter?.isMetering ? (partitions: number) => meter.mutate(partitions, isStrict) : undefined
    return { ...this.controllerContext, isRemote: apiVersion !== newestVersion, ...(mutate && { mutate }) }
  }

  /** The waist, for one client. */
  connect(client: ClientIdentity): MeteredBroker {
    expectKnownKeys('a client', client, ['clientId', 'clientHost', 'apiVersion', 'origin', 'connection', 'access'])
    if (typeof client.clientId !== 'string') expectString('clientId', client.clientId)
    if (client.clientHost !== undefined) expectString('clientHost', client.clientHost)
    const { apiVersion: given } = client
    if (given !== undefined && given !== newestVersion) expectInteger('apiVersion', given, 0, 2 ** 15 - 1)
    if (client.origin !== undefined) expectOneOf('origin', client.origin, appendOrigins)
    const { clientId, clientHost = '/in-process', apiVersion = newestVersion, origin = 'client', connection } = client
    const standing = client.access && this.#standingOf(client.access, clientId, clientHost)
    const meter = connection && new ClientMeter(this.quotas, userOf(client.access?.principal ?? anonymous), clientId)
    const remote = connection && { connection, writes: new RemoteWrites(this.#turns), meter }
    const context: RequestContext = { clientId, clientHost, apiVersion, origin, ...standing, ...remote }
    return { request: (api, body, signal) => this.#request(api, body, context, signal), ...(meter && { meter }) }
  }

  /** The rights of a client, from its principal and the rules of the listener that it came in by. */
  #standingOf({ principal, rules, isGivenUser }: ClientAccess, clientId: string, clientHost: string): Partial<RequestContext> {
    const given = isGivenUser && { isGivenUser }
    if (!rules) return { ...given, ...(principal !== anonymous && { user: userOf(principal) }) }
    if (rules.superUsers.has(principal)) return { ...given, hasAcls: rules.acls }
    const { clock, metadata } = this
    const asker = { principal, host: clientHost.replace(/^\//, ''), clientId }
    const tell = (error: unknown, during: string) => this.tell(error, during)
    return { ...given, hasAcls: rules.acls, access: new Access(asker, rules, { acls: metadata.acls, clock, tell }) }
  }

  /** The credentials of a user that clients made, by Kafka's numbers of the mechanisms; for listeners. */
  scramCredentials(user: string): ReadonlyMap<number, ScramCredentialState> | undefined {
    return this.metadata.scramCredentials.get(user)
  }

  /** The names of the users whom clients made. */
  scramUsers(): Iterable<string> {
    return this.metadata.scramCredentials.keys()
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

  /** Why batches for a partition are held back at present; undefined when none are. */
  heldBecause(topic: string, partition: number): string | undefined {
    const found = this.topics.get(topic)?.partitions[partition]
    return found && this.backlog.reasonFor(found.backlog)
  }

  /** The damage that stands at an offset of a partition, with file and position; undefined where there is none. */
  async damageAt(topic: string, partition: number, offset: number): Promise<KafkaError | undefined> {
    try {
      const bytes = await this.topics.get(topic)?.partitions[partition]?.log.read(offset, 1, { checkCrcs: true })
      if (bytes) release(bytes)
      return undefined
    } catch (error) {
      return error instanceof KafkaError && error.file !== undefined ? error : undefined
    }
  }

  /** The number to answer with for what was thrown; what nobody foresaw, and a storage that fails, is told as an `error` event as well. */
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

  /**
   * Lets the controller decide, writes what it decided, and carries it out. One change at a time; the next one waits for `afterwards` too,
   * which must not make a change of its own.
   */
  change<R>(decide: () => MetadataDecision<R>, afterwards?: (response: R) => Promise<void>): Promise<R> {
    const changed = this.#changes.then(async () => {
      const hindrance = await this.#directory.forgetDeleted().then(() => undefined, storageError)
      const decided = await this.#metadataHost.run(() => {
        const { response, records } = decide()
        if (hindrance && records.some(beginsLogs)) throw hindrance
        const own = records.filter(isOwnRecord)
        const committed = async () => {
          for (const record of own) this.metadata.replay(record)
          await this.#store.apply(records, this.metadata)
          if (own.length > 0) await saveOwnConfigs(this.storage, this.metadata)
          return response
        }
        return { records: records.filter(record => !isOwnRecord(record)).map(stateRecord), committed }
      })
      await afterwards?.(decided)
      return decided
    })
    this.#changes = changed.catch(() => {})
    return changed
  }

  /**
   * Removes what retention no longer keeps, compacts what is due and writes the checkpoints, now; all also happen by themselves, every
   * `log.retention.check.interval.ms`, `log.cleaner.backoff.ms` and 60 seconds.
   */
  async housekeeping(): Promise<void> {
    if (this.#closing) throw closedError()
    await this.#applyRetention()
    await this.#cleaner.clean()
    await this.#directory.writeCheckpoints()
  }

  /** `isFirstWordEnough` is whether what is due goes at once even where it was not told before that it would. */
  async #applyRetention(isFirstWordEnough = true): Promise<void> {
    for (const topic of this.#store.topics.values()) {
      for (const partition of topic.partitions) {
        if (this.#closing) return
        const turn = this.#turns.yieldWhenOver()
        if (turn) await turn
        try {
          const wasForetold = await this.#foretold.tellOf(partition)
          if (wasForetold || isFirstWordEnough) await partition.log.applyRetention()
        } catch (error) {
          if (!partition.isDeleted && !this.#closing) this.tell(error, `retention of ${topic.name}-${partition.partition}`)
        }
      }
    }
  }

  /**
   * Ends all waiting requests with CLOSED, lets what is being written be written, and closes the logs. Idempotent. Rejects with REQUEST_TIMED_OUT when the
   * storage takes longer than `timeoutMs`.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const timeoutMs = closeTimeoutMs(options)
    this.#closing ??= this.#close()
    await endOf(this.#closing, this.clock, timeoutMs, 'The node')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  async #close(): Promise<void> {
    this.delayedFetches.close(closedError())
    this.backlog.close(closedError())
    await this.transactions.close()
    await this.groups.close()
    await this.#housekeeping.close()
    await this.#cleaner.close()
    await this.#changes
    await this.#metadataHost.close()
    await this.#directory.close()
    this.#news.close()
  }

  #request<A extends Api>(api: A, body: RequestOf<A>, context: RequestContext, signal?: AbortSignal): MaybePromise<ResponseOf<A>> {
    if (this.#closing) return Promise.reject(closedError())
    if (this.#fenced) return Promise.reject(this.#fenced)
    if (signal?.aborted) return Promise.reject(signal.reason)
    const handle = handlerOf(api)
    if (!handle) return Promise.reject(new KafkaError('UNSUPPORTED_VERSION', `This broker does not serve ${api.name}`))
    // Produce and Fetch yield by themselves, where it costs less.
    const seesToItself = api.key === Produce.key || api.key === Fetch.key || api.key === ConditionalAppend.key
    const turn = seesToItself ? undefined : this.#turns.yieldWhenOver()
    if (turn) return turn.then(() => this.#request(api, body, context, signal))
    let response: MaybePromise<ResponseOf<A>>
    try {
      const { access } = context
      response = access
        ? answerGuarded(api, {
            access: access.during(api.name),
            node: this,
            request: body,
            context,
            answer: allowed => handle(this, allowed, context, signal)
          })
        : handle(this, body, context, signal)
    } catch (error) {
      return Promise.reject(this.#failed(api, error))
    }
    if (!isPromise(response)) return response
    // Failures of these two stand in their responses.
    if (seesToItself) {
      if (signal) tellFate(signal, response)
      return response
    }
    const answered = response.catch(error => {
      throw signal?.aborted && error === signal.reason ? error : this.#failed(api, error)
    })
    // Many may be answered at once: a thousand members of a group, when the last has joined.
    return answered.then(answer => this.#turns.yield().then(() => answer))
  }

  /** A failure that no response can carry: a foreseen one is passed on, any other is told, and passed on as UNKNOWN_SERVER_ERROR. */
  #failed(api: Api, error: unknown): unknown {
    const isForeseen = error instanceof KafkaError && error.code !== 'UNKNOWN_SERVER_ERROR'
    if (!isForeseen || error.code === 'KAFKA_STORAGE_ERROR') this.tell(error, `a ${api.name} request`)
    if (isForeseen) return error
    const reason = error instanceof Error ? error.message : String(error)
    return new KafkaError('UNKNOWN_SERVER_ERROR', `${api.name} failed: ${reason}`, { cause: error })
  }
}

/** After these a group may have other members, topics or partitions than before. */
const changesReaders: ReadonlySet<string> = new Set(['rebalanced', 'empty', 'dead'])
const unexpected = errorNumber('UNKNOWN_SERVER_ERROR')
const storageFailed = errorNumber('KAFKA_STORAGE_ERROR')
const unknownTopic = errorNumber('UNKNOWN_TOPIC_OR_PARTITION')
const unknownTopicId = errorNumber('UNKNOWN_TOPIC_ID')

function beginsLogs({ type }: MetadataRecord): boolean {
  return type === 'topic' || type === 'partition'
}

function storageError(cause: unknown): KafkaError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new KafkaError('KAFKA_STORAGE_ERROR', `Logs that were deleted could not be taken out of the checkpoints: ${reason}`, { cause })
}

/** The name of a principal, without its type. */
function userOf(principal: string): string {
  return principal.slice(principal.indexOf(':') + 1)
}

function closedError(): KafkaError {
  return new KafkaError('CLOSED', 'The broker is closed')
}

interface Parts {
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
