import { KafkaError } from '../errors.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { AlterConfigs } from '../protocol/messages/alter-configs.js'
import type { IncrementalAlterConfigs } from '../protocol/messages/incremental-alter-configs.js'
import { type ClusterMetadata, type MetadataDecision, resourceType, type TopicState } from './cluster-metadata.js'
import { listOf } from './config-value.js'
import type { ControllerContext } from './create-topics.js'
import type { MetadataRecord } from './records.js'
import { refusalOf, repeatedIn } from './refusal.js'
import { contradictionIn, topicConfig, topicConfigProblem } from './topic-configs.js'
import { isInternalTopic } from './topic-name.js'

type Request = RequestOf<typeof IncrementalAlterConfigs>
type Response = ResponseOf<typeof IncrementalAlterConfigs>
type Resource = Request['resources'][number]
type Change = Resource['configs'][number]
type WholeRequest = RequestOf<typeof AlterConfigs>

/** What a change does to a config, by Kafka's numbers. */
export const configOperation = { set: 0, delete: 1, append: 2, subtract: 3 } as const

/** Decides on changes of single configs; all changes of a resource are made, or none. */
export function incrementalAlterConfigs(
  metadata: ClusterMetadata,
  request: Request,
  context: ControllerContext
): MetadataDecision<Response> {
  return alterEach(metadata, request, context, (topic, { configs }) => {
    const [twice] = repeatedIn(configs.map(({ name }) => name))
    if (twice !== undefined) throw new KafkaError('INVALID_REQUEST', `The request changes \`${twice}\` twice`)
    // A config that is not set is deleted already, whatever its name.
    const effective = configs.filter(
      ({ name, configOperation: operation }) => operation !== configOperation.delete || topic.configs.has(name)
    )
    return new Map(effective.map(change => [change.name, changed(topic, change, context)]))
  })
}

/** Decides on resources whose configs are given whole: what is not named goes back to its default. */
export function alterConfigs(metadata: ClusterMetadata, request: WholeRequest, context: ControllerContext): MetadataDecision<Response> {
  return alterEach(metadata, request, context, (topic, { configs }) => {
    const values = new Map<string, string | null>([...topic.configs.keys()].map(name => [name, null]))
    for (const { name, value } of configs) {
      if (value === null) throw new KafkaError('INVALID_REQUEST', `Topic config \`${name}\` has no value`)
      values.set(name, value)
    }
    return values
  })
}

interface Resources<R> {
  readonly resources: readonly R[]
  readonly validateOnly?: boolean
}

function alterEach<R extends { resourceType: number; resourceName: string }>(
  metadata: ClusterMetadata,
  { resources, validateOnly }: Resources<R>,
  { isRemote }: ControllerContext,
  valuesFor: (topic: TopicState, resource: R) => ReadonlyMap<string, string | null>
): MetadataDecision<Response> {
  const records: MetadataRecord[] = []
  const repeated = repeatedIn(resources.map(keyOf))
  const responses = resources.map(resource => {
    const { resourceType: type, resourceName } = resource
    try {
      if (repeated.has(keyOf(resource))) throw new KafkaError('INVALID_REQUEST', `The request has \`${resourceName}\` twice`)
      const topic = expectTopic(metadata, type, resourceName)
      const values = valuesFor(topic, resource)
      for (const [name, value] of values) expectValid(name, value, isRemote)
      expectConsistent(topic, values)
      if (!validateOnly) records.push(...recordsOf(topic, values))
      return { errorCode: 0, errorMessage: null, resourceType: type, resourceName }
    } catch (error) {
      return { ...refusalOf(error), resourceType: type, resourceName }
    }
  })
  return { response: { throttleTimeMs: 0, responses }, records }
}

function expectTopic(metadata: ClusterMetadata, type: number, name: string): TopicState {
  if (type === resourceType.broker) throw new KafkaError('INVALID_REQUEST', 'The configs of a broker are set when it is opened')
  if (type !== resourceType.topic)
    throw new KafkaError('INVALID_REQUEST', `Only topics have configs that can be changed, not resources of type ${type}`)
  if (isInternalTopic(name)) throw new KafkaError('POLICY_VIOLATION', `The configs of \`${name}\` are set by the cluster itself`)
  return metadata.expectTopic(name)
}

function keyOf({ resourceType: type, resourceName }: { resourceType: number; resourceName: string }): string {
  return `${type} ${resourceName}`
}

function changed(topic: TopicState, { name, configOperation: operation, value }: Change, { configs }: ControllerContext): string | null {
  if (operation === configOperation.delete) return null
  if (value === null) throw new KafkaError('INVALID_REQUEST', `Topic config \`${name}\` has no value`)
  if (operation === configOperation.set) return value
  if (operation !== configOperation.append && operation !== configOperation.subtract)
    throw new KafkaError('INVALID_REQUEST', `There is no operation ${operation} on configs`)
  const config = topicConfig(name)
  if (config && config.type !== 'list')
    throw new KafkaError('INVALID_CONFIG', `Topic config \`${name}\` is not a list that could be added to or taken from`)
  const before = listOf(topic.configs.get(name) ?? (config ? configs.topicDefault(config) : ''))
  const given = listOf(value)
  const after =
    operation === configOperation.append ? [...new Set([...before, ...given])] : before.filter(element => !given.includes(element))
  return after.join(',')
}

function expectValid(name: string, value: string | null, isRemote: boolean | undefined): void {
  const problem = value === null ? unknownName(name) : topicConfigProblem(name, value, isRemote)
  if (problem) throw new KafkaError('INVALID_CONFIG', problem)
}

function expectConsistent(topic: TopicState, values: ReadonlyMap<string, string | null>): void {
  const configs = new Map(topic.configs)
  for (const [name, value] of values) {
    if (value === null) configs.delete(name)
    else configs.set(name, value)
  }
  const contradiction = contradictionIn(configs)
  if (contradiction) throw new KafkaError('INVALID_CONFIG', contradiction)
}

function unknownName(name: string): string | undefined {
  return topicConfig(name) ? undefined : topicConfigProblem(name, '')
}

function recordsOf(topic: TopicState, values: ReadonlyMap<string, string | null>): MetadataRecord[] {
  const records: MetadataRecord[] = []
  for (const [name, value] of values) {
    if ((topic.configs.get(name) ?? null) === value) continue
    records.push({ type: 'config', resourceType: resourceType.topic, resourceName: topic.name, name, value })
  }
  return records
}
