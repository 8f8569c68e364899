import { LocalBroker, nodeOf } from './broker/local-broker.js'
import type { Topic } from './broker/topic.js'
import { oncePerSubject, subjectOf, troubleTexts } from './broker/trouble.js'
import { checkedBrokers } from './client/checked-brokers.js'
import { ClusterClient, type ClusterParts, type LocalParts } from './cluster-client.js'
import type { Clock } from './common/clock.js'
import { unlimited } from './common/closing.js'
import { ignoreRejection } from './common/foreign.js'
import { guardedClock } from './common/guarded-clock.js'
import { expectFunction, expectFunctions, expectKnownKeys, isPlainObject, shown } from './common/options.js'
import { guardedRandom, type Random, systemRandom } from './common/random.js'
import { systemClock } from './common/system-clock.js'
import { Warnings } from './common/warnings.js'
import type { ClusterNews } from './consumer/source/topic-watch.js'
import { KafkaError } from './errors.js'
import type { ConfigValues } from './metadata/broker-configs.js'
import type { ClientAccess } from './protocol/access.js'
import type { Brokers } from './protocol/broker.js'
import { type BacklogQuota, backlogConfigs } from './record/backlog-quota.js'
import { memoryStorage } from './storage/memory/memory.js'
import type { Storage } from './storage/storage.js'

/** The options of a cluster in this process. All are optional. */
export interface ClusterOptions {
  /** The storage of logs and metadata. Default: in memory. The cluster closes it. */
  readonly storage?: Storage
  /**
   * Kafka's broker configs by their dotted names, `'num.partitions'` or
   * `'auto.create.topics.enable'` for instance. Default: Kafka's defaults.
   */
  readonly configs?: ConfigValues
  /** The number of the one node, as clients see it. Default: 0. */
  readonly nodeId?: number
  /**
   * The most bytes that the cluster holds on behalf of records: what partitions in memory take with
   * what of them is lent to readers or, on a disk, what was read from it for readers (three
   * quarters), what producers have not delivered (an eighth), requests and answers over the wire
   * (an eighth). Beyond it producers wait, fetches become smaller, and listeners read no further.
   * Default: an eighth of the machine's, or of what its container allows; at least 64 MiB, at most
   * 1 GiB.
   */
  readonly maxMemoryBytes?: number
  /** The policy for readers that fall behind, in topics that do not say themselves. */
  readonly backlog?: BacklogQuota
  /** The source of time. Default: the clock of the machine. */
  readonly clock?: Clock
  /** The source of randomness. Default: one that cannot be predicted. */
  readonly random?: Random
  /**
   * Stands between a client and the node, to see, delay, change or refuse its requests:
   * `InterceptedBroker` of `millrace/testing`, or tracing of your own. Called once for each
   * producer, consumer and admin. Default: nothing stands there.
   */
  readonly intercept?: (brokers: Brokers, clientId: string) => Brokers
}

/** The program that has the cluster may do everything, and say what others may do. */
const ownerAccess: ClientAccess = {
  principal: 'User:cluster',
  rules: { acls: true, superUsers: new Set(['User:cluster']), allowEveryoneIfNoAclFound: false, authorizeTimeoutMs: 0 }
}

/**
 * Topics in this process, and whoever writes and reads them.
 *
 * ```ts
 * await using cluster = await Cluster.open()
 * await using producer = cluster.producer()
 * await producer.send('greetings', { key: 'en', value: 'hello' })
 * ```
 *
 * Closing it closes its consumers, then producers and admins, then the node and the storage.
 */
export class Cluster extends ClusterClient {
  readonly #node: LocalBroker

  private constructor(node: LocalBroker, parts: ClusterParts) {
    // A caller with something else is told what makes a cluster.
    super(parts, node instanceof LocalBroker ? localParts(node) : undefined)
    this.#node = node
  }

  /**
   * Opens a cluster of one node in this process. Rejects when the storage cannot be read, or is in
   * use elsewhere.
   */
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
    const cluster = new Cluster(node, {
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
          // Nobody else can open it: who keeps a closed cluster, or a client of it, need not keep
          // its records.
          if (options.storage === undefined) await removeAll(storage)
        }
      }
    })
    forwardEvents(node, cluster)
    return cluster
  }

  /** The topics of the node, by name. */
  get topics(): ReadonlyMap<string, Topic> {
    return this.#node.topics
  }

  /**
   * The live topic, with its partitions and their logs. Throws a `KafkaError`
   * UNKNOWN_TOPIC_OR_PARTITION when there is none of this name.
   */
  topic(name: string): Topic {
    if (typeof name !== 'string') throw new TypeError(`Expected \`name\` to be the name of a topic, got ${shown(name)}`)
    const topic = this.topics.get(name)
    if (!topic) throw new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', `There is no topic \`${name}\` in this process`, { topic: name })
    return topic
  }

  /** The node, for those who serve it elsewhere: `listen` of `millrace/wire`. */
  get node(): LocalBroker {
    return this.#node
  }

  /** Removes what retention no longer keeps and compacts what is due, now instead of in a while. */
  housekeeping(): Promise<void> {
    return this.#node.housekeeping()
  }
}

/** The services of the node for clients in this process. */
function localParts(broker: LocalBroker): LocalParts {
  const node = nodeOf(broker)
  return {
    clients: {
      news: newsOf(broker),
      readers: node.backlog.readers,
      heldBecause: (topic, partition) => broker.heldBecause(topic, partition),
      damageAt: (topic, partition, offset) => broker.damageAt(topic, partition, offset)
    },
    producerMemory: () => node.memoryShares.forProducers(),
    isInMemory: node.storage.durable === false,
    createsTopics: () => node.configs.boolean('auto.create.topics.enable')
  }
}

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
    logEndOffset(topic, partition, committedOnly = false) {
      const found = node.topics.get(topic)?.partitions[partition]
      return committedOnly ? found?.lastStableOffset : found?.logEndOffset
    },
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
