import { didYouMean, isPlainObject, shown } from '../common/options.js'
import { isOwnConfig } from '../record/backlog-quota.js'
import { type ConfigRule, type ConfigType, configProblem, configSource, isTrue, numberOf } from './config-value.js'
import { type TopicConfig, topicConfigs } from './topic-config-table.js'
import { defaultTopicConfig } from './topic-configs.js'

/** A config of a node, set when it is opened. */
export interface BrokerConfig extends ConfigRule {
  readonly name: string
  /**
   * Null where Kafka leaves it without a value, so that another config or the topic's own default
   * counts.
   */
  readonly default: string | null
  readonly documentation: string
  /** The topic config that it is the default of. */
  readonly topicConfig?: TopicConfig
  /** It can be changed while the node runs. */
  readonly isDynamic?: boolean
  /** It says what the node is; nobody gives it. */
  readonly isTold?: boolean
}

const mebibyte = 1024 * 1024

const ownConfigs: readonly BrokerConfig[] = [
  own('auto.create.topics.enable', 'boolean', true, 'Whether a topic that is asked for comes into being.'),
  own('delete.topic.enable', 'boolean', true, 'Whether topics may be deleted.'),
  own('millrace.max.acls', 'int', 10_000, 'How many ACLs there may be.', { min: 0 }),
  own('millrace.max.client.quotas', 'int', 10_000, 'For how many users, client ids and addresses there may be quotas.', { min: 0 }),
  limit('millrace.max.committed.offsets', 'How many offsets all groups may have committed'),
  limit('millrace.max.group.bytes', 'How many bytes all that clients say of groups may take'),
  limit('millrace.max.groups', 'How many groups there may be'),
  limit('millrace.max.members', 'How many members all groups may have together'),
  limit('millrace.max.partitions', 'How many partitions there may be in all'),
  limit(
    'millrace.max.producers',
    'How many producers all partitions remember together, beyond which those that wrote longest ago are forgotten'
  ),
  own('millrace.max.partitions.per.topic', 'int', 50_000, 'How many partitions a topic may have.', { min: 1 }),
  own('millrace.max.topics', 'int', 50_000, 'How many topics there may be.', { min: 0 }),
  own('millrace.max.transactional.ids', 'int', 50_000, 'How many transactional ids there may be.', { min: 0 }),
  own('millrace.max.users', 'int', 10_000, 'How many users clients may make.', { min: 0 }),
  own(
    'millrace.reader.quiet.ms',
    'long',
    30_000,
    'How long a client over the wire that fetches without a group still counts as a reader, so that producers wait for it, after its last fetch.',
    { min: 0 }
  ),
  own('max.incremental.fetch.session.cache.slots', 'int', 1000, 'How many fetch sessions of clients there may be; 0 for none.', { min: 0 }),
  own(
    'producer.id.expiration.ms',
    'int',
    86_400_000,
    'How long an idempotent producer that writes nothing to a partition is remembered there.',
    { min: 1, isDynamic: true }
  ),
  own('quota.window.num', 'int', 11, 'Over how many samples it is measured how much clients use.', { min: 1 }),
  own('quota.window.size.seconds', 'int', 1, 'How long each of these samples is.', { min: 1 }),
  own('controller.quota.window.num', 'int', 11, 'How many samples of changes of partitions a client may make at once.', { min: 1 }),
  own('controller.quota.window.size.seconds', 'int', 1, 'How long each of these samples is.', { min: 1 }),
  own('num.partitions', 'int', 1, 'How many partitions a topic gets when that is not said.', { min: 1 }),
  own('default.replication.factor', 'int', 1, 'How many replicas a partition gets when that is not said.', { min: 1 }),
  own('fetch.max.bytes', 'int', 55 * mebibyte, 'The most that one fetch returns.', { min: 1024 }),
  own('log.cleaner.backoff.ms', 'long', 15_000, 'How long the compaction of logs rests when all of them are clean enough.', {
    min: 0,
    isDynamic: true
  }),
  own('log.cleaner.dedupe.buffer.size', 'long', 128 * mebibyte, 'The most memory that the keys of the log being compacted take.', {
    min: 1,
    isDynamic: true
  }),
  own('log.retention.check.interval.ms', 'long', 300_000, 'How often old segments are looked for.', { min: 1 }),
  own('group.initial.rebalance.delay.ms', 'int', 0, 'How long the first rebalance of an empty group waits for more members.', { min: 0 }),
  own('group.min.session.timeout.ms', 'int', 6_000, 'The shortest session timeout that a member may ask for.', { min: 1 }),
  own('group.max.session.timeout.ms', 'int', 1_800_000, 'The longest session timeout that a member may ask for.', { min: 1 }),
  own('group.max.size', 'int', 2 ** 31 - 1, 'How many members a group may have.', { min: 1 }),
  own('offset.metadata.max.bytes', 'int', 4096, 'The longest metadata that may be committed with an offset.', { min: 0 }),
  own('offsets.retention.minutes', 'int', 10_080, 'How long offsets are kept after their group became empty.', { min: 1 }),
  own('offsets.retention.check.interval.ms', 'long', 600_000, 'How often expired offsets are looked for.', { min: 1 }),
  own('offsets.topic.num.partitions', 'int', 50, 'How many partitions the topic of the committed offsets has; fixed once it exists.', {
    min: 1
  }),
  own('transaction.max.timeout.ms', 'int', 900_000, 'The longest timeout of a transaction that a producer may ask for.', { min: 1 }),
  own(
    'transaction.abort.timed.out.transaction.cleanup.interval.ms',
    'int',
    10_000,
    'How often transactions are looked for that have taken longer than their timeout, and are then aborted.',
    { min: 1 }
  ),
  own(
    'transaction.remove.expired.transaction.cleanup.interval.ms',
    'int',
    3_600_000,
    'How often transactional ids are looked for that nobody uses.',
    { min: 1 }
  ),
  own('transaction.state.log.num.partitions', 'int', 50, 'How many partitions the topic of transactions has; fixed once it exists.', {
    min: 1
  }),
  own('transactional.id.expiration.ms', 'int', 604_800_000, 'How long a transactional id is kept that nobody uses.', { min: 1 }),
  told('advertised.listeners', 'list', 'Where clients are told to find the node. Empty within its process.'),
  told('broker.id', 'int', 'The id of the node.'),
  told('listeners', 'list', 'Where the node is listened for. Empty within its process.'),
  told('log.dir', 'string', 'Where logs are kept, as DescribeLogDirs calls it.'),
  told('log.dirs', 'string', 'Where logs are kept, as DescribeLogDirs calls it.'),
  told('node.id', 'int', 'The id of the node.'),
  told('process.roles', 'list', 'What the node does: it serves clients, and is its own controller.')
]

/** A value of a config, and where it stands. */
export interface ConfigOrigin {
  readonly name: string
  readonly value: string
  readonly source: number
}

/** The configs that were set while the node runs: on itself, and on all brokers. */
export interface DynamicConfigs {
  readonly ofNode: () => ReadonlyMap<string, string>
  readonly ofAll: () => ReadonlyMap<string, string>
}

/** Values by Kafka's dotted names, as a user gives them. */
export type ConfigValues = { readonly [name: string]: string | number | boolean }

/** The configs of a node, some of which topics inherit. */
export class BrokerConfigs {
  readonly all: readonly BrokerConfig[]
  /** True if what topics hold outlives the process, which decides some of the defaults. */
  readonly durable: boolean
  readonly #given = new Map<string, string>()
  readonly #byName: ReadonlyMap<string, BrokerConfig>
  #dynamic: DynamicConfigs | undefined

  /** Throws a `TypeError` for a name that does not exist or a value that does not fit. */
  constructor(given: ConfigValues, durable: boolean) {
    if (!isPlainObject(given)) throw new TypeError(`Expected \`configs\` to be an object of values by config name, got ${shown(given)}`)
    const inherited = topicConfigs.flatMap(config => (config.synonym === undefined ? [] : [inheritedBy(config, config.synonym, durable)]))
    this.all = [...ownConfigs, ...inherited].sort((a, b) => (a.name < b.name ? -1 : 1))
    this.durable = durable
    this.#byName = new Map(this.all.map(config => [config.name, config]))
    for (const [name, value] of Object.entries(given)) {
      const config = this.#byName.get(name)
      if (!config || config.isTold)
        throw new TypeError(
          `Unknown config \`${name}\`; ${didYouMean(name, [...this.#byName.keys()])}there are ${[...this.#byName.keys()].join(', ')}`
        )
      const problem = configProblem(config, String(value))
      if (problem) throw new TypeError(`Expected the config \`${name}\` to fit, got ${shown(value)}: it ${problem}`)
      this.#given.set(name, String(value))
    }
  }

  /** The config of this name, if there is one. */
  find(name: string): BrokerConfig | undefined {
    return this.#byName.get(name)
  }

  /** Says what the node is. */
  tell(facts: { readonly [name: string]: string }): void {
    for (const [name, value] of Object.entries(facts)) this.#given.set(name, value)
  }

  /** Lets what is set while the node runs count before what it was opened with. */
  follow(dynamic: DynamicConfigs): void {
    this.#dynamic = dynamic
  }

  text(name: string): string {
    const config = this.#byName.get(name)
    if (!config) throw new Error(`There is no config \`${name}\``)
    return this.origins(config)[0]?.value ?? ''
  }

  number(name: string): number {
    return numberOf(this.text(name))
  }

  boolean(name: string): boolean {
    return isTrue(this.text(name))
  }

  /** True if it was given or set, rather than left at its default. */
  isGiven(name: string | undefined): boolean {
    const config = name === undefined ? undefined : this.#byName.get(name)
    return config !== undefined && (this.origins(config)[0]?.source ?? configSource.default) !== configSource.default
  }

  /** The value for a topic that does not set this config itself. */
  topicDefault(config: TopicConfig): string {
    return this.topicOrigins(config)[0]?.value ?? defaultTopicConfig(config, this.durable)
  }

  /**
   * The source of a broker config's value, then the values that would count without it. Empty where
   * it has none.
   */
  origins(config: BrokerConfig): ConfigOrigin[] {
    const { name, default: fallback } = config
    const origins = config.isDynamic ? this.#dynamicOrigins(config) : []
    const given = this.#given.get(name)
    if (given !== undefined) origins.push({ name, value: given, source: configSource.staticBroker })
    if (fallback !== null) origins.push({ name, value: fallback, source: configSource.default })
    return origins
  }

  /** Values that a Kafka took and that do not fit here are passed over. */
  #dynamicOrigins(config: BrokerConfig): ConfigOrigin[] {
    const { name } = config
    const layers = [
      { source: configSource.broker, value: this.#dynamic?.ofNode().get(name) },
      { source: configSource.allBrokers, value: this.#dynamic?.ofAll().get(name) }
    ]
    return layers.flatMap(({ source, value }) =>
      value === undefined || configProblem(config, value) !== undefined ? [] : [{ name, value, source }]
    )
  }

  /**
   * The same for what topics get from the broker. Empty where only the topic's own default counts.
   */
  topicOrigins({ synonym }: TopicConfig): ConfigOrigin[] {
    const config = synonym === undefined ? undefined : this.#byName.get(synonym)
    return config ? this.origins(config) : []
  }
}

function own(name: string, type: ConfigType, fallback: string | number | boolean, documentation: string, rule: Partial<BrokerConfig> = {}) {
  return { name, type, default: String(fallback), documentation, ...rule } satisfies BrokerConfig
}

/** A limit that follows from the memory of the process. */
function limit(name: string, documentation: string) {
  return own(name, 'int', -1, `${documentation}; -1 for what a share of the process’s heap holds.`, { min: -1 })
}

function told(name: string, type: ConfigType, documentation: string): BrokerConfig {
  return { name, type, default: null, documentation, isTold: true }
}

function inheritedBy(config: TopicConfig, name: string, durable: boolean): BrokerConfig {
  return {
    ...config,
    name,
    default: config.synonymIsUnset ? null : defaultTopicConfig(config, durable),
    topicConfig: config,
    isDynamic: !isOwnConfig(config.name)
  }
}
