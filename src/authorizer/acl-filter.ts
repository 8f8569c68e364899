import { KafkaError } from '../errors.js'
import { type AclState, type AclStore, patternType, wildcard } from '../metadata/acls.js'
import { aclOperations, aclPermissions, aclResourceTypes } from '../protocol/access.js'
import type { RequestOf } from '../protocol/message.js'
import type { DescribeAcls } from '../protocol/messages/describe-acls.js'

export type AclFilter = RequestOf<typeof DescribeAcls>

/** Stands for every value of a field. */
const any = 1
const { match, literal } = patternType

/** The ACLs that a filter means, by id. */
export function* aclsFor(acls: Pick<AclStore, 'all'>, filter: AclFilter): Generator<[string, AclState], void, undefined> {
  for (const entry of acls.all) if (isMeant(entry[1], filter)) yield entry
}

/** Throws INVALID_REQUEST for numbers that Kafka does not know: as with Kafka, the connection then ends. */
export function expectKnownNumbers(filter: AclFilter): void {
  const { resourceTypeFilter, patternTypeFilter = literal, operation, permissionType } = filter
  expectNumber('resource type', resourceTypeFilter, aclResourceTypes)
  expectNumber('operation', operation, aclOperations)
  expectNumber('permission type', permissionType, aclPermissions)
  expectNumber('pattern type', patternTypeFilter, patternType)
}

export function expectNumber(what: string, given: number, known: { readonly [name: string]: number }): void {
  if (given === any || (given !== 0 && Object.values(known).includes(given))) return
  throw new KafkaError('INVALID_REQUEST', `There is no ${what} ${given} in ACLs`)
}

function isMeant(acl: AclState, filter: AclFilter): boolean {
  return (
    (filter.resourceTypeFilter === any || filter.resourceTypeFilter === acl.resourceType) &&
    (filter.operation === any || filter.operation === acl.operation) &&
    (filter.permissionType === any || filter.permissionType === acl.permissionType) &&
    (filter.principalFilter === null || filter.principalFilter === acl.principal) &&
    (filter.hostFilter === null || filter.hostFilter === acl.host) &&
    isPatternMeant(acl, filter)
  )
}

/** `match` means all patterns that fit a resource of that name; every other type means patterns written with that name. */
function isPatternMeant(acl: AclState, { resourceNameFilter: name, patternTypeFilter: type = literal }: AclFilter): boolean {
  if (type !== any && type !== match && type !== acl.patternType) return false
  if (name === null || name === acl.resourceName) return true
  if (type !== match) return false
  return acl.patternType === literal ? acl.resourceName === wildcard : name.startsWith(acl.resourceName)
}
