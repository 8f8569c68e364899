import { Admin } from './admin/admin.js'
import type { AdminOptions } from './admin/admin-options.js'
import type { BrokerEvents } from './broker/events.js'
import { LocalBroker, nodeOf } from './broker/local-broker.js'
import type { LocalNode } from './broker/local-node.js'
import type { Topic } from './broker/topic.js'
import { oncePerSubject, subjectOf, troubleTexts } from './broker/trouble.js'
import { checkedBrokers } from './client/checked-brokers.js'
import { CallMark } from './common/call-mark.js'
import type { Clock } from './common/clock.js'
import { type CloseOptions, closeTimeoutMs, Deadline, lastStep, unlimited } from './common/closing.js'
import { Emitter } from './common/emitter.js'
import { ignoreRejection } from './common/foreign.js'
import { guardedClock } from './common/guarded-clock.js'
import {
  expectFunction,
  expectFunctions,
  expectKnownKeys,
  expectOptionsObject,
  expectString,
  isPlainObject,
  shown
} from './common/options.js'
import { guardedRandom, type Random, systemRandom } from './common/random.js'
import { systemClock } from './common/system-clock.js'
import { turnsOf } from './common/turns.js'
import { Warnings } from './common/warnings.js'
import { Consumer } from './consumer/consumer.js'
import type { ConsumerOptions } from './consumer/consumer-options.js'
import type { TopicSelector } from './consumer/source/subscription.js'
import type { ClusterNews } from './consumer/source/topic-watch.js'
import { KafkaError } from './errors.js'
import type { ConfigValues } from './metadata/broker-configs.js'
import { Pipe } from './pipe/pipe.js'
import type { PipeOptions } from './pipe/pipe-options.js'
import type { ProducerOptions } from './producer/options.js'
import { Producer } from './producer/producer.js'
import type { ClientAccess } from './protocol/access.js'
import type { Brokers } from './protocol/broker.js'
import { type BacklogQuota, backlogConfigs } from './record/backlog-quota.js'
import type { AnyTopic } from './record/topic.js'
import { memoryStorage } from './storage/memory/memory.js'
import type { Storage } from './storage/storage.js'

/** The options of a cluster in this process. All are optional. */
export interface ClusterOptions {
  /** The storage of logs and metadata. Default: in memory. The cluster closes it. */
  readonly storage?: Storage
  /** Kafka's broker configs by their dotted names, `'num.partitions'` or `'auto.create.topics.enable'` for instance. Default: Kafka's defaults. */
  readonly configs?: ConfigValues
  /** The number of the one node, as clients see it. Default: 0. */
  readonly nodeId?: number
  /**
   * The most bytes that the cluster holds on behalf of records: what partitions in memory take with what of them is lent to readers or, on a disk, what was
   * read from it for readers (three quarters), what producers have not delivered (an eighth), requests and answers over the wire (an eighth). Beyond it
   * producers wait, fetches become smaller, and listeners read no further. Default: an eighth of the machine's, or of what its container allows; at least 64 MiB, at most 1 GiB.
   */
  readonly maxMemoryBytes?: number
  /** The policy for readers that fall behind, in topics that do not say themselves. */
  readonly backlog?: BacklogQuota
  /** The source of time. Default: the clock of the machine. */
  readonly clock?: Clock
  /** The source of randomness. Default: one that cannot be predicted. */
  readonly random?: Random
  /**
   * Stands between a client and the node, to see, delay, change or refuse its requests: `InterceptedBroker` of `millrace/testing`, or tracing of your
   * own. Called once for each producer, consumer and admin. Default: nothing stands there.
   */
  readonly intercept?: (brokers: Brokers, clientId: string) => Brokers
}

/** The program that has the cluster may do everything, and say what others may do. */
const ownerAccess: ClientAccess = {
  principal: 'User:cluster',
  rules: { acls: true, superUsers: new Set(['User:cluster']), allowEveryoneIfNoAclFound: false, authorizeTimeoutMs: 0 }
}

/** The events of a cluster. `closed` comes last. */
export interface ClusterEvents extends BrokerEvents {
  closed: () => void
}

/** The parts of a cluster: a way to its brokers and, when it is in this process, its node. */
export interface ClusterParts {
  readonly brokersFor: (clientId: string) => Brokers
  readonly clock: Clock
  readonly random: Random
  readonly node?: LocalBroker
  /** Called when the cluster has closed all of its clients. */
  readonly close: () => Promise<void>
}

/**
 * Topics, and whoever writes and reads them: in this process with `Cluster.open`, elsewhere with `connect` of `millrace/wire`.
 *
 * ```ts
 * await using cluster = await Cluster.open()
 * await using producer = cluster.producer()
 * await producer.send('greetings', { key: 'en', value: 'hello' })
 * ```
 *
 * Closing it closes its producers, consumers and admins, the node and the storage, in that order.
 */
export class Cluster extends Emitter<ClusterEvents> implements AsyncDisposable {
  readonly #parts: ClusterParts
  readonly #news: ClusterNews | undefined
  /** They close first: the handlers that they wait for may still send. */
  readonly #consumers = new Set<Client>()
  readonly #others = new Set<Client>()
  /** The pipes of this cluster, with their numbers among those of their group. */
  readonly #pipes = new Map<object, { readonly groupId: string; readonly number: number }>()
  #closingNow: readonly Client[] = []
  #deadline: Deadline | undefined
  #closing: Promise<void> | undefined

  /** Use `Cluster.open`, or `connect` of `millrace/wire`. */
  constructor(parts: ClusterParts) {
    super(clusterEvents)
    expectFunctions('parts', parts, ['brokersFor', 'close'], 'what a cluster is made of (`await Cluster.open()` makes one)')
    this.#parts = { ...parts, clock: guardedClock(parts.clock), random: guardedRandom(parts.random) }
    this.#news = parts.node && newsOf(parts.node)
  }

  /** Opens a cluster of one node in this process. Rejects when the storage cannot be read, or is in use elsewhere. */
  static async open(options: ClusterOptions = {}): Promise<Cluster> {
    expectKnownKeys('a cluster', options, ['storage', 'configs', 'nodeId', 'maxMemoryBytes', 'backlog', 'clock', 'random', 'intercept'])
    if (options.storage !== undefined && typeof options.storage?.open !== 'function')
      throw new TypeError(
        `Expected \`storage\` to be a storage, fileStorage('./data') of millrace/file for one, got ${shown(options.storage)}`
      )
    if (options.configs !== undefined && !isPlainObject(options.configs))
      throw new TypeError(`Expected \`configs\` to be an object of values by config name, got ${shown(options.configs)}`)
    if (options.intercept !== undefined) expectFunction('intercept', options.intercept)
    const { storage = memoryStorage(), configs = {}, nodeId = 0, maxMemoryBytes, backlog, intercept } = options
    const clock = guardedClock(options.clock === undefined ? systemClock : options.clock)
    const random = guardedRandom(options.random === undefined ? systemRandom : options.random)
    let node: LocalBroker
    try {
      const given = { ...configs, ...backlogConfigs(backlog) }
      node = await LocalBroker.open({
        storage,
        clock,
        random,
        nodeId,
        configs: given,
        ...(maxMemoryBytes !== undefined && { maxMemoryBytes })
      })
    } catch (error) {
      await storage.close()
      throw error
    }
    const cluster = new Cluster({
      node,
      clock,
      random,
      brokersFor(clientId) {
        // An interceptor may change batches.
        const broker = node.connect({ clientId, access: ownerAccess, origin: intercept ? 'client' : 'producer' })
        const brokers: Brokers = { any: () => broker, byId: id => (id === nodeId ? broker : undefined) }
        return intercept ? interceptedBy(intercept, brokers, clientId) : brokers
      },
      async close() {
        try {
          await node.close({ timeoutMs: unlimited })
        } finally {
          await storage.close()
          // Nobody else can open it: who keeps a closed cluster, or a client of it, need not keep its records.
          if (options.storage === undefined) await removeAll(storage)
        }
      }
    })
    forwardEvents(node, cluster)
    return cluster
  }

  /** A producer of this cluster. Throws a `TypeError` for a wrong option. */
  producer(options: ProducerOptions = {}): Producer {
    const producer = this.#newProducer(options)
    producer.once('closed', () => this.#others.delete(producer))
    return this.#keep(producer, this.#others)
  }

  /** A consumer of this cluster; typed by the topics it is given. Throws a `TypeError` for a wrong option. */
  consumer<const T extends TopicSelector = string, K = Uint8Array, V = Uint8Array>(
    options: ConsumerOptions<T, K, V> = {}
  ): Consumer<T, K, V> {
    const consumer = this.#newConsumer(options)
    consumer.once('closed', () => this.#consumers.delete(consumer))
    return this.#keep(consumer, this.#consumers)
  }

  /**
   * A pipe: what `from` holds, transformed, into `to`, exactly once. It begins with `pipe.run()`. Throws a `TypeError` for a wrong option.
   *
   * ```ts
   * const pipe = cluster.pipe({ from: orders, to: invoices, groupId: 'invoicing', transform: order => invoiceFor(order) })
   * await pipe.run()
   * ```
   */
  pipe<const F extends TopicSelector, const T extends AnyTopic | string = string, K = Uint8Array, V = Uint8Array>(
    options: PipeOptions<F, T, K, V>
  ): Pipe<F, T, K, V> {
    expectOptionsObject('a pipe', options)
    const { groupId } = options
    const number = this.#parts.node ? this.#freePipeNumber(groupId) : undefined
    const pipe: Pipe<F, T, K, V> = new Pipe(
      {
        clock: this.#parts.clock,
        random: this.#parts.random,
        brokers: this.#clientParts('a pipe', {}).brokers,
        newConsumer: consumerOptions => this.#newConsumer(consumerOptions),
        newProducer: producerOptions => this.#newProducer(producerOptions),
        instanceId: number?.toString(),
        onClosed: () => {
          this.#consumers.delete(pipe)
          this.#pipes.delete(pipe)
        }
      },
      options
    )
    if (number !== undefined) this.#pipes.set(pipe, { groupId, number })
    return this.#keep(pipe, this.#consumers)
  }

  /** The lowest number that no pipe of the group has. */
  #freePipeNumber(groupId: string): number {
    const taken = new Set([...this.#pipes.values()].filter(pipe => pipe.groupId === groupId).map(({ number }) => number))
    let number = 0
    while (taken.has(number)) number++
    return number
  }

  #newProducer(options: ProducerOptions): Producer {
    const parts = this.#clientParts('a producer', options)
    const memory = this.#parts.node?.memoryShares.forProducers()
    return new Producer({ ...parts, memory }, this.#withTopicCreation(options))
  }

  #newConsumer<const T extends TopicSelector, K, V>(options: ConsumerOptions<T, K, V>): Consumer<T, K, V> {
    const parts = this.#clientParts('a consumer', options)
    return new Consumer<T, K, V>(parts, this.#withTopicCreation({ checkCrcs: !this.#isInMemory, ...options }))
  }

  /** Manages topics, configs, groups and offsets. */
  admin(options: AdminOptions = {}): Admin {
    const admin: Admin = new Admin({ ...this.#clientParts('an admin', options), onClosed: () => this.#others.delete(admin) }, options)
    return this.#keep(admin, this.#others)
  }

  /** The topics of the node in this process, by name; none when the cluster is elsewhere. */
  get topics(): ReadonlyMap<string, Topic> {
    return this.#parts.node?.topics ?? new Map()
  }

  /**
   * The live topic, with its partitions and their logs. Throws a `KafkaError` UNKNOWN_TOPIC_OR_PARTITION when there is none of this name, or the
   * cluster is not in this process.
   */
  topic(name: string): Topic {
    if (typeof name !== 'string') throw new TypeError(`Expected \`name\` to be the name of a topic, got ${shown(name)}`)
    const topic = this.topics.get(name)
    if (!topic) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `There is no topic \`${name}\` in this process`, { topic: name })
    return topic
  }

  /** The node in this process, for those who serve it elsewhere (`listen` of `millrace/wire`); undefined when the cluster is not in this process. */
  get node(): LocalBroker | undefined {
    return this.#parts.node
  }

  get #node(): LocalNode | undefined {
    const { node } = this.#parts
    return node && nodeOf(node)
  }

  /** Removes what retention no longer keeps and compacts what is due, now instead of in a while. Does nothing for a cluster elsewhere. */
  async housekeeping(): Promise<void> {
    await this.#parts.node?.housekeeping()
  }

  /**
   * Closes the consumers, whose handlers may finish what they have in hand, then producers and admins, then the node and its storage. Idempotent; calling it
   * again may bring the end forward. Rejects with REQUEST_TIMED_OUT when the storage has not closed within `timeoutMs`. Awaited inside of a handler or a
   * listener of one of its consumers, which it waits for, it resolves at once, and closing goes on when the handler has ended.
   */
  close(options: CloseOptions = {}): Promise<void> {
    let timeoutMs: number
    try {
      timeoutMs = closeTimeoutMs(options)
    } catch (error) {
      return Promise.reject(error)
    }
    if (this.#deadline) this.#bringForward(this.#deadline, timeoutMs)
    else this.#deadline = new Deadline(this.#parts.clock, timeoutMs)
    this.#closing ??= this.#close(this.#deadline)
    if (!CallMark.isInside(owner => this.#consumers.has(owner as Client))) return this.#closing
    this.#closing.catch(error => this.tellFailure(error, '`close`'))
    return Promise.resolve()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  protected override errorArgs(error: unknown, who: string): Parameters<ClusterEvents['error']> {
    return [{ error, during: who }]
  }

  async #close(deadline: Deadline): Promise<void> {
    const { clock } = this.#parts
    try {
      const ends = [...(await this.#closeAll(this.#consumers, deadline)), ...(await this.#closeAll(this.#others, deadline))]
      this.#closingNow = []
      await lastStep(this.#closeParts(), clock, deadline, 'The cluster')
      const failed = ends.find(end => end.status === 'rejected')
      if (failed) throw failed.reason
    } finally {
      deadline.end()
    }
  }

  #closeAll(clients: ReadonlySet<Client>, deadline: Deadline): Promise<PromiseSettledResult<void>[]> {
    const turns = turnsOf(this.#parts.clock)
    this.#closingNow = [...clients]
    return Promise.allSettled(
      this.#closingNow.map(client => turns.yield().then(() => client.close({ timeoutMs: clientsShare(deadline.leftMs) })))
    )
  }

  async #closeParts(): Promise<void> {
    await this.#parts.close()
    this.emit('closed')
  }

  #bringForward(deadline: Deadline, timeoutMs: number): void {
    deadline.limitTo(timeoutMs)
    // Failures are told by the call that began to close the cluster.
    for (const client of this.#closingNow) client.close({ timeoutMs: clientsShare(timeoutMs) }).catch(() => {})
  }

  /** `what` is the client that these are for. */
  #clientParts(what: string, options: { readonly clientId?: string }) {
    expectOptionsObject(what, options)
    const { clientId = 'millrace' } = options
    expectString('clientId', clientId)
    if (this.#closing) throw new KafkaError('CLOSED', 'The cluster is closed')
    return {
      brokers: this.#parts.brokersFor(clientId),
      clock: this.#parts.clock,
      random: this.#parts.random,
      news: this.#news,
      readers: this.#node?.backlog.readers,
      heldBecause: (topic: string, partition: number) => this.#parts.node?.heldBecause(topic, partition),
      damageAt: async (topic: string, partition: number, offset: number) => this.#parts.node?.damageAt(topic, partition, offset)
    }
  }

  /** Batches were checked when they were appended, and have not left the memory of this process since. */
  get #isInMemory(): boolean {
    return this.#node?.storage.durable === false
  }

  /** A cluster without automatic creation does not create its typed topics on use either. */
  #withTopicCreation<O extends { readonly allowAutoTopicCreation?: boolean }>(options: O): O {
    const isOff = this.#node?.configs.boolean('auto.create.topics.enable') === false
    return isOff ? { allowAutoTopicCreation: false, ...options } : options
  }

  #keep<C extends Client>(client: C, clients: Set<Client>): C {
    clients.add(client)
    return client
  }
}

/** Every event of a cluster, so that a misspelt one is told. */
const clusterEvents = Object.keys({
  group: true,
  topicCreated: true,
  partitionsAdded: true,
  topicConfigured: true,
  topicDeleted: true,
  segmentsRemoved: true,
  recordsLost: true,
  recordsExpiring: true,
  offsetsExpiring: true,
  compacted: true,
  logRecovered: true,
  tornTail: true,
  partitionStopped: true,
  straySetAside: true,
  fenced: true,
  error: true,
  closed: true
} satisfies Record<keyof ClusterEvents, true>)

async function removeAll(storage: Storage): Promise<void> {
  for (const name of await storage.list('')) await storage.remove(name)
  storage.releaseMemory?.()
}

function interceptedBy(intercept: NonNullable<ClusterOptions['intercept']>, brokers: Brokers, clientId: string): Brokers {
  const given = intercept(brokers, clientId)
  ignoreRejection(given)
  expectFunctions('intercept', given, ['any', 'byId'], 'a function that returns brokers, those that it is given for instance')
  return checkedBrokers(given)
}

interface Client {
  close(options: CloseOptions): Promise<void>
}

/** The share of a cluster's time to close that its clients get: the rest, a quarter and at most five seconds, is the node's and its storage's. */
function clientsShare(leftMs: number): number {
  return Math.floor(leftMs - Math.min(5000, leftMs / 4))
}

const forwarded = [
  'group',
  'topicCreated',
  'partitionsAdded',
  'topicConfigured',
  'topicDeleted',
  'segmentsRemoved',
  'recordsLost',
  'recordsExpiring',
  'offsetsExpiring',
  'compacted',
  'logRecovered',
  'tornTail',
  'partitionStopped',
  'straySetAside',
  'fenced',
  'error'
] as const

function forwardEvents(node: LocalBroker, cluster: Cluster): void {
  const warnings = new Warnings()
  for (const name of forwarded) {
    node.events.on(name, (...event) => {
      if (cluster.emit(name, ...(event as never)) || !(name in troubleTexts)) return
      // Nobody listens, but nobody should have to wonder either why a partition is silent.
      const text = troubleTexts[name as keyof typeof troubleTexts](event[0] as never)
      const subject = oncePerSubject.has(name) ? `${name} ${subjectOf(event[0])}` : text
      warnings.warn(text, name, undefined, subject)
    })
  }
}

const topicEvents = ['topicCreated', 'partitionsAdded', 'topicDeleted'] as const

/** News that consumers in this process hear at once, without a heartbeat or a refresh. */
function newsOf(node: LocalBroker): ClusterNews {
  const topicListeners = new Set<() => void>()
  const groupListeners = new Set<(groupId: string) => void>()
  for (const name of topicEvents) {
    node.events.on(name, () => {
      for (const listener of topicListeners) listener()
    })
  }
  node.events.on('group', event => {
    if (event.type === 'rebalancing') for (const listener of groupListeners) listener(event.groupId)
  })
  return {
    onTopicsChanged(listener) {
      topicListeners.add(listener)
      return () => topicListeners.delete(listener)
    },
    onGroupRebalancing(listener) {
      groupListeners.add(listener)
      return () => groupListeners.delete(listener)
    },
    logEndOffset: (topic, partition) => node.topics.get(topic)?.partitions[partition]?.logEndOffset,
    topics: {
      names: () => node.topics.keys(),
      idOf: name => node.topics.get(name)?.id,
      endsOf(name, committedOnly) {
        const topic = node.topics.get(name)
        if (!topic) return undefined
        const ends = topic.partitions.map(({ lastStableOffset, highWatermark }) => (committedOnly ? lastStableOffset : highWatermark))
        return { topicId: topic.id, ends }
      }
    }
  }
}
