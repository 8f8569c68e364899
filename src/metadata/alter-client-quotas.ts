import { isAddress } from '../common/ip-address.js'
import { KafkaError } from '../errors.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { AlterClientQuotas } from '../protocol/messages/alter-client-quotas.js'
import type { DescribeClientQuotas } from '../protocol/messages/describe-client-quotas.js'
import { type ClientQuotaKey, quotaMatch } from '../protocol/quotas.js'
import type { ClientQuotaStore, QuotaEntityPart } from './client-quotas.js'
import type { MetadataDecision } from './cluster-metadata.js'
import type { MetadataRecord } from './records.js'
import { eachNameOnce, refusalOf, repeatedIn } from './refusal.js'

type Alter = RequestOf<typeof AlterClientQuotas>
type Entry = Alter['entries'][number]
type Quotas = Pick<ClientQuotaStore, 'all' | 'size' | 'has' | 'of'>
type Describe = RequestOf<typeof DescribeClientQuotas>

/** The longest name of a user, client id or address, in characters. */
const longestName = 1000

/** In the order of Kafka's hash tables, in which its answers name them. */
const entityTypes = ['client-id', 'user', 'ip']

/** The keys of quotas, with the largest value of those that are whole numbers. */
const largestLong = 2 ** 63
const ofClients: ReadonlyMap<string, number | undefined> = new Map([
  ['producer_byte_rate', largestLong],
  ['consumer_byte_rate', largestLong],
  ['request_percentage', undefined],
  ['controller_mutation_rate', undefined]
])
/** In the order of Kafka's hash tables, as with entities. */
const keys: readonly ClientQuotaKey[] = [
  'consumer_byte_rate',
  'request_percentage',
  'producer_byte_rate',
  'controller_mutation_rate',
  'connection_creation_rate'
]
const ofAddresses: ReadonlyMap<string, number | undefined> = new Map([['connection_creation_rate', 2 ** 31 - 1]])

/**
 * Decides on changes of quotas (KIP-546), each entity on its own: all of its changes are made, or
 * none.
 */
export function alterClientQuotas(
  quotas: Quotas,
  { entries, validateOnly }: Alter,
  most: number = Number.POSITIVE_INFINITY
): MetadataDecision<ResponseOf<typeof AlterClientQuotas>> {
  const records: MetadataRecord[] = []
  const wanted = entries.map(({ entity: parts, ops }) => {
    const entity = inOrder(parts)
    return { entity, ops, name: JSON.stringify(entity) }
  })
  const repeated = repeatedIn(wanted.map(({ name }) => name))
  let added = 0
  const answers = eachNameOnce(wanted).map(({ name, ...entry }) => {
    const { entity } = entry
    try {
      if (repeated.has(name)) throw invalid('The request changes the quotas of one entity twice')
      expectEntry(entry)
      const changes = changesIn(quotas, entry)
      const isNew = !quotas.has(entity) && changes.length > 0
      if (isNew && quotas.size + added >= most)
        throw new KafkaError('POLICY_VIOLATION', `\`millrace.max.client.quotas\` allows quotas for ${most} entities`)
      if (isNew) added++
      records.push(...changes)
      return { errorCode: 0, errorMessage: null, entity }
    } catch (error) {
      return { ...refusalOf(error), entity }
    }
  })
  return { response: { entries: answers }, records: validateOnly ? [] : records }
}

/** Of two parts of one type, Kafka takes the last one. */
function inOrder(entity: readonly QuotaEntityPart[]): QuotaEntityPart[] {
  const byType = new Map(entity.map(part => [part.entityType, part]))
  return [...byType.values()].sort((a, b) => entityTypes.indexOf(a.entityType) - entityTypes.indexOf(b.entityType))
}

function expectEntry({ entity, ops }: Entry): void {
  if (entity.length === 0) throw invalid('The quota is for nobody: name a user, a client id or an address')
  for (const { entityType, entityName } of entity) {
    if (!entityTypes.includes(entityType))
      throw invalid(`There are quotas for \`user\`, \`client-id\` and \`ip\`, not for \`${entityType}\``)
    if (entityName === '') throw invalid(`The name of the ${entityType} is empty; null stands for the default`)
    if (entityName !== null && entityName.length > longestName)
      throw new KafkaError('POLICY_VIOLATION', `Names in quotas have at most ${longestName} characters`)
  }
  const address = entity.find(({ entityType }) => entityType === 'ip')
  if (address && entity.length > 1) throw invalid('A quota for an address depends on nothing else')
  if (address && address.entityName !== null && !isAddress(address.entityName)) throw invalid(`\`${address.entityName}\` is no IP address`)
  const [twice] = repeatedIn(ops.map(({ key }) => key))
  if (twice !== undefined) throw invalid(`The request changes \`${twice}\` twice`)
  for (const { key, value, remove } of ops) if (!remove) expectValue(key, value, address ? ofAddresses : ofClients)
}

function expectValue(key: string, value: number, known: ReadonlyMap<string, number | undefined>): void {
  if (!known.has(key)) throw invalid(`There is no quota \`${key}\` for this entity; there are ${[...known.keys()].join(', ')}`)
  if (!(value > 0)) throw invalid(`\`${key}\` has to be more than 0`)
  const largest = known.get(key)
  if (largest === undefined) return
  if (value > largest) throw invalid(`\`${key}\` is at most ${largest}`)
  if (value % 1 > 1e-6) throw invalid(`\`${key}\` is a whole number`)
}

function changesIn(quotas: Quotas, { entity, ops }: Entry): MetadataRecord[] {
  const present = quotas.of(entity)
  return ops.flatMap(({ key, value, remove }): MetadataRecord[] => {
    const isChange = remove ? present?.has(key) : present?.get(key) !== value
    return isChange ? [{ type: 'clientQuota', entity, key, value: remove ? 0 : value, remove }] : []
  })
}

const { exact, default: byDefault, any } = quotaMatch

/** Tells the quotas whose entities fit all components of a filter. */
export function describeClientQuotas(quotas: Quotas, { components, strict }: Describe): ResponseOf<typeof DescribeClientQuotas> {
  try {
    expectComponents(components)
  } catch (error) {
    return { ...refusalOf(error), entries: null }
  }
  const entries = [...quotas.all]
    .filter(({ entity }) => (!strict || entity.length === components.length) && components.every(component => fits(entity, component)))
    .map(({ entity, values }) => ({ entity: [...entity], values: keys.flatMap(key => limitOf(values, key)) }))
  return { errorCode: 0, errorMessage: null, entries }
}

function expectComponents(components: Describe['components']): void {
  const seen = new Set<string>()
  for (const { entityType, matchType, match } of components) {
    if (entityType === '') throw invalid('The type of an entity is empty')
    if (seen.has(entityType)) throw invalid(`The filter has the type \`${entityType}\` twice`)
    seen.add(entityType)
    if (!entityTypes.includes(entityType))
      throw new KafkaError('UNSUPPORTED_VERSION', `There are quotas for \`user\`, \`client-id\` and \`ip\`, not for \`${entityType}\``)
    if (matchType !== exact && matchType !== byDefault && matchType !== any) throw invalid(`There is no match type ${matchType}`)
    if (matchType === exact && match === null) throw invalid('A filter by name has no name')
    if (matchType !== exact && match !== null) throw invalid('Only a filter by name has a name')
  }
  if (seen.has('ip') && seen.size > 1) throw invalid('A filter by address depends on nothing else')
}

function fits(entity: readonly QuotaEntityPart[], { entityType, matchType, match }: Describe['components'][number]): boolean {
  const part = entity.find(each => each.entityType === entityType)
  if (!part) return false
  return matchType === any || part.entityName === (matchType === exact ? match : null)
}

function invalid(message: string): KafkaError {
  return new KafkaError('INVALID_REQUEST', message)
}

function limitOf(values: ReadonlyMap<string, number>, key: string): { readonly key: string; readonly value: number }[] {
  const value = values.get(key)
  return value === undefined ? [] : [{ key, value }]
}
