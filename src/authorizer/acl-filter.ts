import { KafkaError } from '../errors.js'
import { type AclState, type AclStore, wildcard } from '../metadata/acls.js'
import { aclFilterWords, aclOperations, aclPatternTypes, aclPermissions, aclResourceTypes } from '../protocol/access.js'
import type { RequestOf } from '../protocol/message.js'
import type { DescribeAcls } from '../protocol/messages/describe-acls.js'

export type AclFilter = RequestOf<typeof DescribeAcls>

const { any, match } = aclFilterWords
const { literal } = aclPatternTypes

/** The ACLs that a filter means, by id. */
export function* aclsFor(acls: Pick<AclStore, 'all'>, filter: AclFilter): Generator<[string, AclState], void, undefined> {
  for (const entry of acls.all) if (isMeant(entry[1], filter)) yield entry
}

/** The numbers of an ACL, or of a filter for ACLs, with what each may be. */
function* numbersOf({ resourceType, pattern, operation, permissionType }: AclNumbers) {
  yield ['resource type', resourceType, aclResourceTypes] as const
  yield ['pattern type', pattern, { ...aclPatternTypes, match }] as const
  yield ['operation', operation, aclOperations] as const
  yield ['permission type', permissionType, aclPermissions] as const
}

export interface AclNumbers {
  readonly resourceType: number
  readonly pattern: number
  readonly operation: number
  readonly permissionType: number
}

export function numbersOfFilter(filter: AclFilter): AclNumbers {
  const { resourceTypeFilter: resourceType, patternTypeFilter: pattern = literal, operation, permissionType } = filter
  return { resourceType, pattern, operation, permissionType }
}

/**
 * Throws INVALID_REQUEST where a number is 0, which stands for something that the client itself
 * does not know: as with Kafka, the connection then ends.
 */
export function expectNoZero(numbers: AclNumbers): void {
  for (const [what, given] of numbersOf(numbers)) if (given === 0) throw new KafkaError('INVALID_REQUEST', `There is no ${what} 0 in ACLs`)
}

/** The first number that stands for nothing, in words; undefined where there is none. */
export function unknownIn(numbers: AclNumbers): string | undefined {
  for (const [what, given, known] of numbersOf(numbers))
    if (given !== any && !Object.values<number>(known).includes(given)) return `There is no ${what} ${given} in ACLs`
  return undefined
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

/**
 * `match` means all patterns that fit a resource of that name; every other type means patterns
 * written with that name.
 */
function isPatternMeant(acl: AclState, { resourceNameFilter: name, patternTypeFilter: type = literal }: AclFilter): boolean {
  if (type !== any && type !== match && type !== acl.patternType) return false
  if (name === null || name === acl.resourceName) return true
  if (type !== match) return false
  return acl.patternType === literal ? acl.resourceName === wildcard : name.startsWith(acl.resourceName)
}
