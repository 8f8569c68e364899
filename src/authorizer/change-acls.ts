import type { Random } from '../common/random.js'
import { randomUuid } from '../common/uuid.js'
import { errorNumber, KafkaError } from '../errors.js'
import type { AclState } from '../metadata/acls.js'
import type { BrokerConfigs } from '../metadata/broker-configs.js'
import type { ClusterMetadata, MetadataDecision } from '../metadata/cluster-metadata.js'
import type { MetadataRecord } from '../metadata/records.js'
import { refusalOf } from '../metadata/refusal.js'
import { aclPatternTypes, aclResourceTypes, clusterName } from '../protocol/access.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { CreateAcls } from '../protocol/messages/create-acls.js'
import type { DeleteAcls } from '../protocol/messages/delete-acls.js'
import type { DescribeAcls } from '../protocol/messages/describe-acls.js'
import { type AclFilter, type AclNumbers, aclsFor, expectNoZero, numbersOfFilter, unknownIn } from './acl-filter.js'

type Creation = RequestOf<typeof CreateAcls>['creations'][number]
type Described = ResponseOf<typeof DescribeAcls>['resources'][number]
type FilterResult = ResponseOf<typeof DeleteAcls>['filterResults'][number]

/** The parts of a node that decide on ACLs. */
export interface AclContext {
  readonly random: Random
  readonly configs: BrokerConfigs
}

/**
 * The longest name, principal and host, in characters: together with the number of ACLs, this
 * bounds what they take.
 */
const longestText = 1000
/** The most characters that one request may create: its records stand in one batch. */
const mostCharacters = 1024 * 1024

/** Decides on new ACLs, each on its own. One that is there already is not added a second time. */
export function createAcls(
  { acls }: ClusterMetadata,
  { creations }: RequestOf<typeof CreateAcls>,
  { random, configs }: AclContext
): MetadataDecision<ResponseOf<typeof CreateAcls>> {
  for (const creation of creations) expectNoZero(numbersOfCreation(creation))
  const records: MetadataRecord[] = []
  const added = new Set<string>()
  const most = configs.number('millrace.max.acls')
  let characters = 0
  const results = creations.map(creation => {
    try {
      const unknown = unknownIn(numbersOfCreation(creation))
      if (unknown !== undefined) throw invalid(unknown)
      const acl = aclOf(creation)
      const key = JSON.stringify(acl)
      if (acls.has(acl) || added.has(key)) return { errorCode: 0, errorMessage: null }
      if (acls.size + added.size >= most) throw new KafkaError('POLICY_VIOLATION', `\`millrace.max.acls\` allows ${most} ACLs`)
      characters += key.length
      if (characters > mostCharacters)
        throw new KafkaError('POLICY_VIOLATION', 'The request creates too many ACLs at once: send the others in another one')
      added.add(key)
      records.push({ type: 'acl', id: newId(acls, random), ...acl })
      return { errorCode: 0, errorMessage: null }
    } catch (error) {
      return refusalOf(error)
    }
  })
  return { response: { results }, records }
}

/**
 * Decides on ACLs to remove: each filter tells which it found, also those that another filter of
 * the request found.
 */
export function deleteAcls(
  { acls }: ClusterMetadata,
  { filters }: RequestOf<typeof DeleteAcls>
): MetadataDecision<ResponseOf<typeof DeleteAcls>> {
  for (const filter of filters) expectNoZero(numbersOfFilter(filter))
  const removed = new Set<string>()
  const filterResults = filters.map((filter): FilterResult => {
    const matchingAcls: FilterResult['matchingAcls'] = []
    const unknown = unknownIn(numbersOfFilter(filter))
    if (unknown !== undefined) return { ...refusalOf(invalid(unknown)), matchingAcls }
    for (const [id, acl] of aclsFor(acls, filter)) {
      removed.add(id)
      matchingAcls.push({ errorCode: 0, errorMessage: null, ...acl })
    }
    return { errorCode: 0, errorMessage: null, matchingAcls }
  })
  return { response: { filterResults }, records: [...removed].map(id => ({ type: 'removeAcl', id })) }
}

/** Tells the ACLs that a filter means, by pattern. */
export function describeAcls({ acls }: ClusterMetadata, filter: AclFilter): ResponseOf<typeof DescribeAcls> {
  expectNoZero(numbersOfFilter(filter))
  const resources = new Map<string, Described>()
  for (const [, { resourceType, resourceName, patternType: type, ...entry }] of aclsFor(acls, filter)) {
    const key = `${resourceType} ${type} ${resourceName}`
    let resource = resources.get(key)
    if (!resource) resources.set(key, (resource = { resourceType, resourceName, patternType: type, acls: [] }))
    resource.acls.push(entry)
  }
  return { errorCode: 0, errorMessage: null, resources: [...resources.values()] }
}

function numbersOfCreation(creation: Creation): AclNumbers {
  const { resourceType, resourcePatternType: pattern = aclPatternTypes.literal, operation, permissionType } = creation
  return { resourceType, pattern, operation, permissionType }
}

/**
 * The ACL that is to be created. Throws INVALID_REQUEST for one that stands for several, or for
 * none.
 */
function aclOf({ resourcePatternType = aclPatternTypes.literal, ...rest }: Creation): AclState {
  const { resourceType, resourceName, principal, host, operation, permissionType } = rest
  const isConcrete = [resourceType, operation, permissionType].every(number => number > 1)
  if (!isConcrete || (resourcePatternType !== aclPatternTypes.literal && resourcePatternType !== aclPatternTypes.prefixed))
    throw invalid('An ACL names one resource type, operation and permission, and is literal or prefixed')
  if (resourceType === aclResourceTypes.cluster && resourceName !== clusterName)
    throw invalid(`The resource of the type cluster is called ${clusterName}, not \`${resourceName}\``)
  if (resourceName === '') throw invalid('The name of the resource is empty')
  if (!/^[^:]+:/s.test(principal)) throw invalid(`Expected a principal like \`User:ann\`, got \`${principal}\``)
  for (const text of [resourceName, principal, host])
    if (text.length > longestText) throw new KafkaError('POLICY_VIOLATION', `Names in ACLs have at most ${longestText} characters`)
  return { resourceType, resourceName, patternType: resourcePatternType, principal, host, operation, permissionType }
}

function invalid(message: string): KafkaError {
  return new KafkaError('INVALID_REQUEST', message)
}

function newId(acls: ClusterMetadata['acls'], random: Random): string {
  for (;;) {
    const id = randomUuid(random)
    if (!acls.all.has(id)) return id
  }
}

/** Kafka's answer to every ACL request where no authorizer is set up. */
export const noAuthorizer = {
  errorCode: errorNumber('SECURITY_DISABLED'),
  errorMessage: 'No authorizer is configured: whoever is let in may do everything'
} as const
