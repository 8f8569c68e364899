import { expectKnownKeys, expectList, expectOneOf, expectString, isPlainObject, shown } from '../common/options.js'
import { KafkaError } from '../errors.js'
import type { RequestOf } from '../protocol/message.js'
import { AlterClientQuotas } from '../protocol/messages/alter-client-quotas.js'
import { DescribeClientQuotas } from '../protocol/messages/describe-client-quotas.js'
import { type ClientQuotaKey, clientQuotaKeys, quotaMatch } from '../protocol/quotas.js'
import { type AdminContext, throwFailures } from './admin-context.js'
import type { AdminCallOptions } from './admin-options.js'

/**
 * The entity of a quota: a user, a client id, a user under a client id, or an address. `null`
 * stands for all that have no quota of their own, `{ user: null }` for all such users.
 */
export type ClientQuotaEntity =
  | { readonly user: string | null; readonly clientId?: string | null }
  | { readonly clientId: string | null; readonly user?: string | null }
  | { readonly ip: string | null }

/** A change of the quotas of an entity. */
export interface ClientQuotaAlteration {
  readonly entity: ClientQuotaEntity
  /** New values; `null` takes a quota back. What is not named stays. */
  readonly quotas: { readonly [key in ClientQuotaKey]?: number | null }
}

/** The quotas of an entity. */
export interface ClientQuotas {
  readonly entity: ClientQuotaEntity
  readonly quotas: { readonly [key in ClientQuotaKey]?: number }
}

/**
 * The quotas that are meant: those whose entities have all that is given. `true` stands for any
 * name and for the default.
 */
export interface ClientQuotaFilter {
  readonly user?: string | null | true
  readonly clientId?: string | null | true
  readonly ip?: string | null | true
  /** True if the entities have nothing else. Default: `false`. */
  readonly strict?: boolean
}

export interface AlterClientQuotasOptions extends AdminCallOptions {
  /** Only find out whether the quotas could be changed. Default: `false`. */
  readonly validateOnly?: boolean
}

const typeNames = { user: 'user', clientId: 'client-id', ip: 'ip' } as const
type Part = keyof typeof typeNames
const parts = Object.keys(typeNames) as Part[]

export async function alterClientQuotas(
  context: AdminContext,
  alterations: readonly ClientQuotaAlteration[],
  options: AlterClientQuotasOptions
): Promise<void> {
  expectList('alterations', alterations, 'alterations of quotas')
  const request = { entries: alterations.map(entryOf), validateOnly: options.validateOnly ?? false }
  await context.call(options, async limits => {
    const { entries } = await context.ask(AlterClientQuotas, request, limits)
    throwFailures(
      entries.flatMap(({ errorCode, errorMessage, entity }) => {
        return errorCode === 0 ? [] : [KafkaError.fromNumber(errorCode, `${shownEntity(entity)}: ${errorMessage}`)]
      })
    )
  })
}

export async function describeClientQuotas(
  context: AdminContext,
  filter: ClientQuotaFilter,
  options: AdminCallOptions
): Promise<ClientQuotas[]> {
  expectKnownKeys('a filter of quotas', filter, [...parts, 'strict'])
  const { strict = false } = filter
  expectOneOf('strict', strict, [true, false])
  const request = { components: parts.flatMap(part => componentOf(part, filter[part])), strict }
  return context.call(options, async limits => {
    const { errorCode, errorMessage, entries } = await context.ask(DescribeClientQuotas, request, limits)
    if (errorCode !== 0) throw KafkaError.fromNumber(errorCode, errorMessage)
    return (entries ?? []).map(({ entity, values }) => ({
      entity: entityOf(entity),
      quotas: Object.fromEntries(values.map(({ key, value }) => [key, value]))
    }))
  })
}

function componentOf(part: Part, name: string | null | true | undefined): RequestOf<typeof DescribeClientQuotas>['components'] {
  if (name === undefined) return []
  const entityType = typeNames[part]
  if (name === null) return [{ entityType, matchType: quotaMatch.default, match: null }]
  if (name === true) return [{ entityType, matchType: quotaMatch.any, match: null }]
  if (typeof name !== 'string' || name === '')
    throw new TypeError(`Expected \`${part}\` to be a name, null for the default, or true for any, got ${shown(name)}`)
  return [{ entityType, matchType: quotaMatch.exact, match: name }]
}

function entryOf(alteration: ClientQuotaAlteration): RequestOf<typeof AlterClientQuotas>['entries'][number] {
  expectKnownKeys('an alteration of quotas', alteration, ['entity', 'quotas'])
  const { entity, quotas } = alteration
  const given = isPlainObject(entity) ? parts.filter(part => (entity as Record<string, unknown>)[part] !== undefined) : []
  if (given.length === 0 || (given.includes('ip') && given.length > 1))
    throw new TypeError(`Expected \`entity\` to be \`{ user }\`, \`{ clientId }\`, both, or \`{ ip }\`, got ${shown(entity)}`)
  expectKnownKeys('`entity`', entity, parts)
  if (!isPlainObject(quotas)) throw new TypeError(`Expected \`quotas\` to be an object of numbers by name, got ${shown(quotas)}`)
  const ops = Object.entries(quotas)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => {
      expectOneOf('quotas', key, clientQuotaKeys)
      if (value !== null && !(typeof value === 'number' && value > 0))
        throw new TypeError(`Expected \`quotas.${key}\` to be a number above 0, or null, got ${shown(value)}`)
      return { key, value: value ?? 0, remove: value === null }
    })
  return { entity: parts.flatMap(part => entityPart(part, (entity as Record<Part, string | null | undefined>)[part])), ops }
}

function entityPart(part: Part, entityName: string | null | undefined) {
  if (entityName === undefined) return []
  if (entityName !== null) expectString(`entity.${part}`, entityName)
  return [{ entityType: typeNames[part], entityName }]
}

interface EntityPart {
  readonly entityType: string
  readonly entityName: string | null
}

function entityOf(entity: readonly EntityPart[]): ClientQuotaEntity {
  const partOf = (type: string) => parts.find(part => typeNames[part] === type) ?? type
  return Object.fromEntries(entity.map(({ entityType, entityName }) => [partOf(entityType), entityName])) as unknown as ClientQuotaEntity
}

function shownEntity(entity: readonly EntityPart[]): string {
  return entity.map(({ entityType, entityName }) => `${entityType} ${entityName === null ? '(default)' : `\`${entityName}\``}`).join(', ')
}
