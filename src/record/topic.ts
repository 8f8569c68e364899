import { expectInteger, expectKnownKeys, isPlainObject, shown } from '../common/options.js'
import { type BacklogQuota, backlogConfigs } from './backlog-quota.js'
import { type Keep, withKeep } from './keep.js'
import { keyIndexConfigs } from './key-index-config.js'
import { bytes, expectSerde, expectWholeSerde, type Serde } from './serde.js'

/** The options of `topic`; all optional. */
export interface TopicOptions<K, V> {
  /** The serde of keys. Default: `bytes`, which takes bytes or text and gives bytes. */
  readonly key?: Serde<K>
  /** The serde of values. Default: `bytes`. */
  readonly value?: Serde<V>
  /**
   * The number of partitions that the topic gets when it is created. Default: the cluster's own
   * default.
   */
  readonly partitions?: number
  /** Kafka's topic configs (`retention.ms`, `cleanup.policy`, …) for when it is created. */
  readonly configs?: TopicConfigs
  /**
   * The records that are kept, applied when the topic is created. Default: as the cluster is
   * configured, which is a week of records unless it is configured otherwise.
   */
  readonly keep?: Keep
  /**
   * The policy for readers that fall behind, applied when the topic is created. A cluster that is
   * not of this library does not know it. Default: the cluster's own.
   */
  readonly backlog?: BacklogQuota
  /**
   * True if each partition keeps where the last record of each key stands, for when it is created:
   * then sending can be made conditional on it (`ifKeyAt`). A key takes some 45 bytes of memory. A
   * cluster that is not of this library does not know it. Default: `false`.
   */
  readonly keyIndex?: boolean
}

export type TopicConfigs = Readonly<{ [name: string]: string | number | boolean }>

/** A topic's name with the types of its keys and values: what `topic` returns. */
export interface TypedTopic<K = Uint8Array, V = Uint8Array, N extends string = string> {
  readonly name: N
  readonly key: Serde<K>
  readonly value: Serde<V>
  readonly partitions?: number
  readonly configs?: TopicConfigs
}

// biome-ignore lint/suspicious/noExplicitAny: K and V stand on both sides of a serde, so only `any` fits every topic
export type AnyTopic = TypedTopic<any, any>

/** The type of the keys of a topic, given as a typed topic or by its plain name. */
export type KeyOf<T extends AnyTopic | string> = T extends TypedTopic<infer K, infer _V, infer _N> ? K : Uint8Array
/** The type of the values of a topic, given as a typed topic or by its plain name. */
export type ValueOf<T extends AnyTopic | string> = T extends TypedTopic<infer _K, infer V, infer _N> ? V : Uint8Array
/** The type that may be sent where `T` is read: a topic of bytes takes text too. */
export type SendableOf<T> = Uint8Array extends T ? T | string : T

/**
 * Describes a topic to the type checker and to whoever creates it. It touches no cluster;
 * `cluster.topic(name)` is the live one.
 *
 * ```ts
 * const pageViews = topic('page-views', { key: string, value: json<PageView>(), partitions: 6 })
 * await producer.send(pageViews, { key: 'u-42', value: { url: '/pricing' } })
 * ```
 */
export function topic<K = Uint8Array, V = Uint8Array, const N extends string = string>(
  name: N,
  options: TopicOptions<K, V> = {}
): TypedTopic<K, V, N> {
  expectTopicName(name)
  expectKnownKeys('topic', options, ['key', 'value', 'partitions', 'configs', 'keep', 'backlog', 'keyIndex'])
  const { key = bytes as unknown as Serde<K>, value = bytes as unknown as Serde<V>, partitions } = options
  expectWholeSerde('key', key)
  expectWholeSerde('value', value)
  if (partitions !== undefined) expectInteger('partitions', partitions, 1)
  const configs = describedConfigs(options)
  return Object.freeze({ name, key, value, ...(partitions !== undefined && { partitions }), ...(configs !== undefined && { configs }) })
}

/** All configs that a topic is described with. */
export function describedConfigs({
  configs,
  keep,
  backlog,
  keyIndex
}: Pick<TopicOptions<unknown, unknown>, 'configs' | 'keep' | 'backlog' | 'keyIndex'>): TopicConfigs | undefined {
  expectConfigs(configs)
  const kept = withKeep(keep, configs)
  return backlog === undefined && keyIndex === undefined ? kept : { ...kept, ...backlogConfigs(backlog), ...keyIndexConfigs(keyIndex) }
}

/** The typed topic for a plain name, or the topic itself. */
export function asTopic(given: AnyTopic | string): AnyTopic {
  return typeof given === 'string' ? topic(given) : given
}

/**
 * Configs are an object of texts, numbers and booleans; which there are is the cluster's matter.
 */
export function expectConfigs(configs: unknown): void {
  if (configs === undefined) return
  if (!isPlainObject(configs)) throw new TypeError(`Expected \`configs\` to be an object of values by config name, got ${shown(configs)}`)
  for (const [name, value] of Object.entries(configs)) expectConfigValue(`configs['${name}']`, value)
}

export function expectConfigValue(name: string, value: unknown): void {
  if (typeof value === 'string' || typeof value === 'boolean' || (typeof value === 'number' && Number.isFinite(value))) return
  throw new TypeError(`Expected \`${name}\` to be a string, a finite number or a boolean, got ${shown(value)}`)
}

/**
 * Throws a `TypeError` unless this is the name of a topic or what `topic` returned, as far as it is
 * used.
 */
export function expectTopic(name: string, given: unknown, use: 'serialize' | 'deserialize'): void {
  if (typeof given !== 'object' || given === null) return expectTopicName(given)
  const described = given as Partial<AnyTopic>
  if (described.name === undefined)
    throw new TypeError(`Expected a topic name, or what \`topic()\` returns, as \`${name}\`, got ${shown(given)}`)
  expectTopicName(described.name)
  for (const what of ['key', 'value'] as const) expectSerde(`${described.name}.${what}`, described[what], use)
}

const longestTopicName = 249

/**
 * True if Kafka takes a name for a topic: up to 249 of `a-z A-Z 0-9 . _ -`, but not "." or "..".
 */
export function isTopicName(name: unknown): name is string {
  return typeof name === 'string' && name.length <= longestTopicName && /^[a-zA-Z0-9._-]+$/.test(name) && name !== '.' && name !== '..'
}

/** `what` says where it stands, where the call has several. */
export function expectTopicName(name: unknown, what?: string): void {
  if (isTopicName(name)) return
  const place = what === undefined ? '' : ` as \`${what}\``
  throw new TypeError(
    `Expected a topic name of at most ${longestTopicName} letters, digits, dots, underscores and dashes, other than "." and ".."${place}, got ${shown(name)}`
  )
}
