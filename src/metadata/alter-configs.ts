import { KafkaError } from '../errors.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { AlterConfigs } from '../protocol/messages/alter-configs.js'
import type { IncrementalAlterConfigs } from '../protocol/messages/incremental-alter-configs.js'
import type { ClusterMetadata, MetadataDecision } from './cluster-metadata.js'
import { listOf } from './config-value.js'
import type { ControllerContext } from './create-topics.js'
import type { MetadataRecord } from './records.js'
import { refusalOf, repeatedIn } from './refusal.js'
import { type ConfiguredResource, configuredResource } from './resource-configs.js'

type Request = RequestOf<typeof IncrementalAlterConfigs>
type Response = ResponseOf<typeof IncrementalAlterConfigs>
type Resource = Request['resources'][number]
type Change = Resource['configs'][number]
type WholeRequest = RequestOf<typeof AlterConfigs>

/** The operations on a config, by Kafka's numbers. */
export const configOperation = { set: 0, delete: 1, append: 2, subtract: 3 } as const

/**
 * Decides on resources whose configs are given whole: what is not named goes back to its default.
 */
export function alterConfigs(metadata: ClusterMetadata, request: WholeRequest, context: ControllerContext): MetadataDecision<Response> {
  return alterEach(metadata, request, context, (resource, { configs }) => {
    expectEachOnce(configs)
    const values = new Map<string, string | null>([...resource.configs.keys()].map(name => [name, null]))
    for (const { name, value } of configs) {
      if (value === null) throw new KafkaError('INVALID_REQUEST', `${resource.noun} \`${name}\` has no value`)
      values.set(name, value)
    }
    return values
  })
}

/** Decides on changes of single configs; all changes of a resource are made, or none. */
export function incrementalAlterConfigs(
  metadata: ClusterMetadata,
  request: Request,
  context: ControllerContext
): MetadataDecision<Response> {
  return alterEach(metadata, request, context, (resource, { configs }) => {
    expectEachOnce(configs)
    for (const { name, value, configOperation: operation } of configs)
      if (value === null && operation !== configOperation.delete)
        throw new KafkaError('INVALID_REQUEST', `${resource.noun} \`${name}\` has no value`)
    // A config that is not set is deleted already, whatever its name.
    const effective = configs.filter(
      ({ name, configOperation: operation }) => operation !== configOperation.delete || resource.configs.has(name)
    )
    return new Map(effective.map(change => [change.name, changed(resource, change)]))
  })
}

function expectEachOnce(configs: readonly { readonly name: string }[]): void {
  const [twice] = repeatedIn(configs.map(({ name }) => name))
  if (twice !== undefined) throw new KafkaError('INVALID_REQUEST', `The request changes \`${twice}\` twice`)
}

interface Resources<R> {
  readonly resources: readonly R[]
  readonly validateOnly?: boolean
}

function alterEach<R extends { resourceType: number; resourceName: string }>(
  metadata: ClusterMetadata,
  { resources, validateOnly }: Resources<R>,
  context: ControllerContext,
  valuesFor: (resource: ConfiguredResource, wanted: R) => ReadonlyMap<string, string | null>
): MetadataDecision<Response> {
  const records: MetadataRecord[] = []
  const repeated = repeatedIn(resources.map(keyOf))
  const responses = resources.map(wanted => {
    const { resourceType: type, resourceName } = wanted
    try {
      if (repeated.has(keyOf(wanted))) throw new KafkaError('INVALID_REQUEST', `The request has \`${resourceName}\` twice`)
      const resource = configuredResource(metadata, type, resourceName, context)
      const values = valuesFor(resource, wanted)
      resource.expectName?.()
      for (const [name, value] of values) resource.expectValid(name, value)
      resource.expectConsistent?.(withChanges(resource.configs, values))
      resource.expectThere?.()
      if (!validateOnly) records.push(...recordsOf(resource, values))
      return { errorCode: 0, errorMessage: null, resourceType: type, resourceName }
    } catch (error) {
      return { ...refusalOf(error), resourceType: type, resourceName }
    }
  })
  return { response: { throttleTimeMs: 0, responses }, records }
}

function keyOf({ resourceType: type, resourceName }: { resourceType: number; resourceName: string }): string {
  return `${type} ${resourceName}`
}

function changed(resource: ConfiguredResource, { name, configOperation: operation, value }: Change): string | null {
  const { noun, configs } = resource
  if (operation === configOperation.delete || value === null) return null
  if (operation === configOperation.set) return value
  if (operation !== configOperation.append && operation !== configOperation.subtract)
    throw new KafkaError('INVALID_REQUEST', `There is no operation ${operation} on configs`)
  if (!resource.isList(name))
    throw new KafkaError('INVALID_CONFIG', `${noun} \`${name}\` is not a list that could be added to or taken from`)
  const before = listOf(configs.get(name) ?? resource.valueWithout(name))
  // Kafka splits what is added or taken from without a look at it: nothing is one empty element.
  const given = value.split(',')
  const after =
    operation === configOperation.append ? [...new Set([...before, ...given])] : before.filter(element => !given.includes(element))
  return after.join(',')
}

function withChanges(configs: ReadonlyMap<string, string>, values: ReadonlyMap<string, string | null>): ReadonlyMap<string, string> {
  const after = new Map(configs)
  for (const [name, value] of values) {
    if (value === null) after.delete(name)
    else after.set(name, value)
  }
  return after
}

function recordsOf(
  { type, name: resourceName, configs }: ConfiguredResource,
  values: ReadonlyMap<string, string | null>
): MetadataRecord[] {
  const records: MetadataRecord[] = []
  for (const [name, value] of values) {
    if ((configs.get(name) ?? null) === value) continue
    records.push({ type: 'config', resourceType: type, resourceName, name, value })
  }
  return records
}
