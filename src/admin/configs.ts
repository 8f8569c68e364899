import { expectInteger, expectKnownKeys, isPlainObject, shown } from '../common/options.js'
import { KafkaError } from '../errors.js'
import type { ResponseOf } from '../protocol/message.js'
import { DescribeConfigs } from '../protocol/messages/describe-configs.js'
import { IncrementalAlterConfigs } from '../protocol/messages/incremental-alter-configs.js'
import { expectConfigValue } from '../record/topic.js'
import type { AdminContext } from './admin-context.js'
import type { AdminCallOptions } from './admin-options.js'

/**
 * A resource with configs: a topic, which may be given by its plain name, or a broker, by its node
 * id.
 */
export type ConfigResource = string | { readonly topic: string } | { readonly broker: number }

export interface ConfigEntry {
  readonly name: string
  /** As Kafka writes it; null where it is secret. */
  readonly value: string | null
  /** The place where it was set: the topic itself, the broker for all its topics, or nowhere. */
  readonly source: ConfigSource
  readonly isReadOnly: boolean
  readonly isSensitive: boolean
  readonly documentation: string | null
}

export type ConfigSource = 'topic' | 'dynamicBroker' | 'dynamicDefaultBroker' | 'broker' | 'default' | 'other'

const sources: { readonly [number: number]: ConfigSource } = {
  1: 'topic',
  2: 'dynamicBroker',
  3: 'dynamicDefaultBroker',
  4: 'broker',
  5: 'default'
}

/** New values by config name; `null` takes a config back to its default. */
export type ConfigChanges = { readonly [name: string]: string | number | boolean | null }

export interface AlterConfigsOptions extends AdminCallOptions {
  /** Only find out whether the changes could be made. Default: `false`. */
  readonly validateOnly?: boolean
}

export async function describeConfigs(context: AdminContext, resource: ConfigResource, options: AdminCallOptions): Promise<ConfigEntry[]> {
  const request = { resources: [{ ...addressOf(resource), configurationKeys: null }], includeSynonyms: false, includeDocumentation: true }
  const { configs } = await context.call(options, async limits => {
    const [result] = (await context.ask(DescribeConfigs, request, limits)).results
    throwFailure(resource, result)
    return result
  })
  return configs.map(entryOf)
}

export async function alterConfigs(
  context: AdminContext,
  resource: ConfigResource,
  changes: ConfigChanges,
  options: AlterConfigsOptions
): Promise<void> {
  const configs = Object.entries(changes).map(([name, value]) => ({
    name,
    configOperation: value === null ? deleteOperation : setOperation,
    value: value === null ? null : String(value)
  }))
  const request = { resources: [{ ...addressOf(resource), configs }], validateOnly: options.validateOnly ?? false }
  await context.call(options, async limits => {
    const response = await context.ask(IncrementalAlterConfigs, request, limits)
    throwFailure(resource, response.responses[0])
  })
}

const setOperation = 0
const deleteOperation = 1
const topicType = 2
const brokerType = 4

function topicOf(resource: ConfigResource): string | undefined {
  if (typeof resource === 'string') return resource
  return 'topic' in resource ? resource.topic : undefined
}

export function expectResource(resource: ConfigResource): void {
  if (typeof resource === 'string') return
  if (!isPlainObject(resource))
    throw new TypeError(`Expected \`resource\` to be the name of a topic, { topic } or { broker }, got ${shown(resource)}`)
  expectKnownKeys('a resource', resource, ['topic', 'broker'])
  const { topic, broker } = resource as { readonly topic?: unknown; readonly broker?: unknown }
  if ((topic === undefined) === (broker === undefined)) throw new TypeError('Expected `resource` to have one of `topic` and `broker`')
  if (topic === undefined) expectInteger('resource.broker', broker, 0, 2 ** 31 - 1)
  else if (typeof topic !== 'string') throw new TypeError(`Expected \`resource.topic\` to be the name of a topic, got ${shown(topic)}`)
}

export function expectChanges(changes: ConfigChanges): void {
  if (!isPlainObject(changes)) throw new TypeError(`Expected \`changes\` to be an object of values by config name, got ${shown(changes)}`)
  for (const [name, value] of Object.entries(changes)) if (value !== null) expectConfigValue(`changes['${name}']`, value)
}

function addressOf(resource: ConfigResource): { resourceType: number; resourceName: string } {
  const topic = topicOf(resource)
  if (topic !== undefined) return { resourceType: topicType, resourceName: topic }
  const { broker } = resource as { readonly broker: number }
  return { resourceType: brokerType, resourceName: String(broker) }
}

function throwFailure(resource: ConfigResource, result: { readonly errorCode: number; readonly errorMessage?: string | null }): void {
  if (result.errorCode === 0) return
  throw KafkaError.fromNumber(result.errorCode, result.errorMessage, { topic: topicOf(resource) })
}

function entryOf(config: ResponseOf<typeof DescribeConfigs>['results'][number]['configs'][number]): ConfigEntry {
  const { name, value, readOnly, configSource = -1, isSensitive, documentation = null } = config
  return { name, value, source: sources[configSource] ?? 'other', isReadOnly: readOnly, isSensitive, documentation }
}
