import { type LocalBroker, nodeOf } from '../../src/broker/local-broker.js'
import type { AclState } from '../../src/metadata/acls.js'
import { type AccessRules, type AclOperation, type AclResourceType, aclOperations, aclResourceTypes } from '../../src/protocol/access.js'
import type { Broker } from '../../src/protocol/broker.js'

/** `read topic orders`, `write topic or*` for a prefix, `!read topic *` for one that denies. */
export function aclFrom(text: string, principal = 'User:ann', host = '*'): AclState {
  const [, deny, operation, type, name, prefixed] = /^(!?)(\w+) (\w+) (\*|.*?)(\*?)$/.exec(text)!
  return {
    resourceType: aclResourceTypes[type as AclResourceType],
    resourceName: name,
    patternType: prefixed ? 4 : 3,
    principal,
    host,
    operation: aclOperations[operation as AclOperation],
    permissionType: deny ? 2 : 3
  }
}

let ids = 0

/** Adds ACLs as if they had been read from the log. */
export function grant(node: LocalBroker, ...acls: (string | AclState)[]): void {
  for (const acl of acls) {
    const id = `acl${String(ids++).padStart(19, '0')}`
    nodeOf(node).metadata.replay({ type: 'acl', id, ...(typeof acl === 'string' ? aclFrom(acl) : acl) })
  }
}

export function revokeAll(node: LocalBroker): void {
  for (const id of [...nodeOf(node).metadata.acls.all.keys()]) nodeOf(node).metadata.replay({ type: 'removeAcl', id })
}

/** A client that came in as a user through a door whose rules are the ACLs. */
export function connectAs(node: LocalBroker, user: string, rules: Partial<AccessRules> = {}, apiVersion?: number): Broker {
  const all = { acls: true, superUsers: new Set(['User:admin']), allowEveryoneIfNoAclFound: false, authorizeTimeoutMs: 1000, ...rules }
  return node.connect({
    clientId: 'test',
    clientHost: '/10.0.0.1',
    access: { principal: `User:${user}`, rules: all },
    ...(apiVersion !== undefined && { apiVersion })
  })
}
