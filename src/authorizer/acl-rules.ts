import { type AclState, type AclStore, wildcard } from '../metadata/acls.js'
import { aclOperations, aclPatternTypes, aclPermissions } from '../protocol/access.js'

/** The numbers of one question: may the principal, from this host, do that? */
export interface AclQuestion {
  readonly principal: string
  readonly host: string
  readonly operation: number
  readonly resourceType: number
}

type Acls = Pick<AclStore, 'all' | 'matching'>

const everyone = `User:${wildcard}`
const { all, read, write, alter, describe, describeConfigs, alterConfigs } = aclOperations
const deleting = aclOperations.delete

/** Operations that imply the right to describe the resource. */
const implying: ReadonlyMap<number, ReadonlySet<number>> = new Map<number, ReadonlySet<number>>([
  [describe, new Set<number>([describe, read, write, deleting, alter])],
  [describeConfigs, new Set<number>([describeConfigs, alterConfigs])]
])

/**
 * Decides on a resource: one ACL that denies outweighs all that allow. Without one that fits, the
 * answer is no, unless no ACL at all is about the resource: then it is `isOpen`.
 */
export function allowedByAcls(acls: Acls, question: AclQuestion, name: string, isOpen: boolean): boolean {
  const patterns = acls.matching(question.resourceType, name)
  let isAllowed = false
  for (const ofPattern of patterns)
    for (const principal of principalsOf(question)) {
      for (const acl of ofPattern.get(principal) ?? []) {
        if (!fits(acl, question)) continue
        if (acl.permissionType === aclPermissions.deny) return false
        isAllowed = true
      }
    }
  return isAllowed || (patterns.length === 0 && isOpen)
}

/**
 * Decides whether there may be a resource of the type on which the operation is allowed. Only ACLs
 * for the operation itself, or for all, count; one that allows counts unless one that denies covers
 * all of its names.
 */
export function allowedSomewhere(acls: Acls, question: AclQuestion, isOpen: boolean): boolean {
  if (allowedByAcls(acls, question, 'hardcode', isOpen)) return true
  const allowed = new Patterns()
  const denied = new Patterns()
  for (const acl of acls.all.values()) if (isAbout(acl, question)) (acl.permissionType === aclPermissions.deny ? denied : allowed).add(acl)
  if (denied.names.has(wildcard)) return false
  if (allowed.names.has(wildcard)) return true
  for (const name of allowed.names) if (!denied.names.has(name) && !denied.hasPrefixOf(name)) return true
  for (const prefix of allowed.prefixes) if (!denied.hasPrefixOf(prefix)) return true
  return false
}

/** Names and prefixes that ACLs are about. */
class Patterns {
  readonly names = new Set<string>()
  readonly prefixes = new Set<string>()

  add(acl: AclState): void {
    if (acl.patternType === aclPatternTypes.prefixed) this.prefixes.add(acl.resourceName)
    else this.names.add(acl.resourceName)
  }

  hasPrefixOf(name: string): boolean {
    if (this.prefixes.size === 0) return false
    for (let length = 1; length <= name.length; length++) if (this.prefixes.has(name.slice(0, length))) return true
    return false
  }
}

function principalsOf({ principal }: AclQuestion): readonly string[] {
  return principal === everyone ? [everyone] : [principal, everyone]
}

function fits(acl: AclState, { host, operation }: AclQuestion): boolean {
  if (acl.host !== wildcard && acl.host !== host) return false
  if (acl.operation === all || acl.operation === operation) return true
  return acl.permissionType === aclPermissions.allow && implying.get(operation)?.has(acl.operation) === true
}

function isAbout(acl: AclState, { principal, host, operation, resourceType }: AclQuestion): boolean {
  if (acl.resourceType !== resourceType || (acl.operation !== operation && acl.operation !== all)) return false
  return (acl.principal === principal || acl.principal === everyone) && (acl.host === host || acl.host === wildcard)
}
