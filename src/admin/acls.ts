import { expectKnownKeys, expectList, expectOneOf, expectString, shown } from '../common/options.js'
import { KafkaError } from '../errors.js'
import {
  type AclOperation,
  type AclPatternType,
  type AclPermission,
  type AclResourceType,
  aclFilterWords,
  aclOperations,
  aclPatternTypes,
  aclPermissions,
  aclResourceTypes,
  clusterName
} from '../protocol/access.js'
import type { RequestOf } from '../protocol/message.js'
import { CreateAcls } from '../protocol/messages/create-acls.js'
import { DeleteAcls } from '../protocol/messages/delete-acls.js'
import { DescribeAcls } from '../protocol/messages/describe-acls.js'
import { type AdminContext, throwFailures } from './admin-context.js'
import type { AdminCallOptions } from './admin-options.js'

/**
 * The resource of an ACL, by name; `'*'` stands for all of the kind. The cluster has one name only,
 * so that `'cluster'` says all.
 */
export type AclResource =
  | { readonly topic: string }
  | { readonly group: string }
  | { readonly transactionalId: string }
  | { readonly delegationToken: string }
  | { readonly user: string }
  | 'cluster'

/** An ACL as it is created: what is left out is the default. */
export interface NewAcl {
  readonly resource: AclResource
  /**
   * `'prefixed'`: about all resources whose names begin with the one given. Default: `'literal'`.
   */
  readonly pattern?: AclPatternType
  /** The principal, as `'User:ann'`; `'User:*'` stands for every user. */
  readonly principal: string
  /** The address that the principal comes from. Default: `'*'`, any. */
  readonly host?: string
  readonly operation: AclOperation
  /** One ACL that denies outweighs all that allow. Default: `'allow'`. */
  readonly permission?: AclPermission
}

/** An ACL of a cluster. */
export type Acl = Required<NewAcl>

/** The ACLs that are meant: those that fit in all that is given. */
export interface AclFilter {
  readonly resourceType?: AclResourceType
  readonly resourceName?: string
  /**
   * `'match'`: all patterns that fit a resource called `resourceName`. Default: patterns of both
   * types that are called so.
   */
  readonly pattern?: AclPatternType | 'match'
  readonly principal?: string
  readonly host?: string
  readonly operation?: AclOperation
  readonly permission?: AclPermission
}

export async function createAcls(context: AdminContext, acls: readonly NewAcl[], options: AdminCallOptions): Promise<void> {
  expectList('acls', acls, 'ACLs')
  const creations = acls.map(creationOf)
  await context.call(options, async limits => {
    const { results } = await context.ask(CreateAcls, { creations }, limits)
    throwFailures(failuresIn(results))
  })
}

export async function describeAcls(context: AdminContext, filter: AclFilter, options: AdminCallOptions): Promise<Acl[]> {
  const request = filterOf(filter)
  return context.call(options, async limits => {
    const { resources, ...answer } = await context.ask(DescribeAcls, request, limits)
    throwFailures(failuresIn([answer]))
    return resources.flatMap(({ acls, ...resource }) => acls.map(entry => aclOf({ ...resource, ...entry })))
  })
}

export async function deleteAcls(context: AdminContext, filters: readonly AclFilter[], options: AdminCallOptions): Promise<Acl[]> {
  expectList('filters', filters, 'filters of ACLs')
  const request = { filters: filters.map(filterOf) }
  return context.call(options, async limits => {
    const { filterResults } = await context.ask(DeleteAcls, request, limits)
    const matching = filterResults.flatMap(({ matchingAcls }) => matchingAcls)
    throwFailures([...failuresIn(filterResults), ...failuresIn(matching)])
    const unique = new Map(matching.map(aclOf).map(acl => [JSON.stringify(acl), acl]))
    return [...unique.values()]
  })
}

function creationOf(acl: NewAcl): RequestOf<typeof CreateAcls>['creations'][number] {
  expectKnownKeys('an ACL', acl, ['resource', 'pattern', 'principal', 'host', 'operation', 'permission'])
  const { resource, pattern = 'literal', principal, host = '*', operation, permission = 'allow' } = acl
  expectString('principal', principal)
  expectString('host', host)
  if (!principal.includes(':')) throw new TypeError(`Expected \`principal\` to be written like \`User:ann\`, got ${shown(principal)}`)
  return {
    ...addressOf(resource),
    resourcePatternType: numberOf('pattern', pattern, aclPatternTypes),
    principal,
    host,
    operation: numberOf('operation', operation, aclOperations),
    permissionType: numberOf('permission', permission, aclPermissions)
  }
}

function addressOf(resource: AclResource): { resourceType: number; resourceName: string } {
  if (resource === 'cluster') return { resourceType: aclResourceTypes.cluster, resourceName: clusterName }
  const [type, ...others] = Object.keys(resource ?? {})
  if (type === 'cluster' || !(type in aclResourceTypes) || others.length > 0)
    throw new TypeError(`Expected \`resource\` to be \`{ topic: 'orders' }\`, its like, or \`'cluster'\`, got ${shown(resource)}`)
  const name = (resource as Record<string, unknown>)[type]
  expectString(`resource.${type}`, name)
  return { resourceType: aclResourceTypes[type as AclResourceType], resourceName: name as string }
}

const { any, match } = aclFilterWords

function filterOf(filter: AclFilter): RequestOf<typeof DescribeAcls> {
  const known = ['resourceType', 'resourceName', 'pattern', 'principal', 'host', 'operation', 'permission']
  expectKnownKeys('a filter of ACLs', filter, known)
  const { resourceType, resourceName = null, pattern, principal = null, host = null, operation, permission } = filter
  for (const name of ['resourceName', 'principal', 'host'] as const) if (filter[name] !== undefined) expectString(name, filter[name])
  return {
    resourceTypeFilter: resourceType === undefined ? any : numberOf('resourceType', resourceType, aclResourceTypes),
    resourceNameFilter: resourceName,
    patternTypeFilter: pattern === undefined ? any : numberOf('pattern', pattern, { ...aclPatternTypes, match }),
    principalFilter: principal,
    hostFilter: host,
    operation: operation === undefined ? any : numberOf('operation', operation, aclOperations),
    permissionType: permission === undefined ? any : numberOf('permission', permission, aclPermissions)
  }
}

interface AclNumbers {
  readonly resourceType: number
  readonly resourceName: string
  readonly patternType?: number
  readonly principal: string
  readonly host: string
  readonly operation: number
  readonly permissionType: number
}

function aclOf(acl: AclNumbers): Acl {
  const { principal, host } = acl
  const type = wordOf(aclResourceTypes, acl.resourceType)
  return {
    resource: type === 'cluster' ? 'cluster' : ({ [type]: acl.resourceName } as unknown as AclResource),
    pattern: wordOf(aclPatternTypes, acl.patternType ?? aclPatternTypes.literal),
    principal,
    host,
    operation: wordOf(aclOperations, acl.operation),
    permission: wordOf(aclPermissions, acl.permissionType)
  }
}

function numberOf<W extends string>(name: string, word: W, numbers: Readonly<Record<W, number>>): number {
  expectOneOf(name, word, Object.keys(numbers) as W[])
  return numbers[word]
}

/** A newer Kafka may have words that are not known here; it is told so by its number. */
function wordOf<W extends string>(numbers: Readonly<Record<W, number>>, number: number): W {
  const found = (Object.keys(numbers) as W[]).find(word => numbers[word] === number)
  if (found === undefined)
    throw new KafkaError('UNSUPPORTED_VERSION', `The cluster has an ACL with the number ${number}, which is not known here`)
  return found
}

function failuresIn(results: readonly { readonly errorCode: number; readonly errorMessage?: string | null }[]): KafkaError[] {
  return results.flatMap(({ errorCode, errorMessage }) => (errorCode === 0 ? [] : [KafkaError.fromNumber(errorCode, errorMessage)]))
}
