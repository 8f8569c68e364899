/*
 * The words of access control, with Kafka's numbers, and what a door to a node tells it about who
 * comes in.
 */

/** Kinds of things that clients may be allowed to use. */
export const aclResourceTypes = { topic: 2, group: 3, cluster: 4, transactionalId: 5, delegationToken: 6, user: 7 } as const

/** A name stands for that one resource (`'*'` for all), or for all whose names begin with it. */
export const aclPatternTypes = { literal: 3, prefixed: 4 } as const

/**
 * Numbers that only filters have: `any` for all values of a field, and `match` for all patterns
 * that fit a resource of the name.
 */
export const aclFilterWords = { any: 1, match: 2 } as const

export const aclOperations = {
  all: 2,
  read: 3,
  write: 4,
  create: 5,
  delete: 6,
  alter: 7,
  describe: 8,
  clusterAction: 9,
  describeConfigs: 10,
  alterConfigs: 11,
  idempotentWrite: 12,
  createTokens: 13,
  describeTokens: 14,
  twoPhaseCommit: 15
} as const

export const aclPermissions = { deny: 2, allow: 3 } as const

export type AclResourceType = keyof typeof aclResourceTypes
export type AclPatternType = keyof typeof aclPatternTypes
export type AclOperation = keyof typeof aclOperations
export type AclPermission = keyof typeof aclPermissions

/** An operation that can be asked for: `all` stands for several only in an ACL. */
export type AuthorizedOperation = Exclude<AclOperation, 'all'>

/** The one resource of the type `cluster`. */
export const clusterName = 'kafka-cluster'

/** The principal of clients that did not say who they are. */
export const anonymous = 'User:ANONYMOUS'

/** The question to an `authorize` function: a client, an operation and a resource. */
export interface AuthorizeRequest {
  /** The principal, as Kafka writes it: `User:ann`, and `User:ANONYMOUS` without authentication. */
  readonly principal: string
  /** The address that the client comes from. */
  readonly host: string
  readonly clientId: string
  /** The API that the client uses, `Fetch` for instance. */
  readonly api: string
  readonly operation: AuthorizedOperation
  /** The resource by its name; that of the cluster is `kafka-cluster`. */
  readonly resource: { readonly type: AclResourceType; readonly name: string }
}

/** Says whether a client may do what it asks. */
export type Authorize = (request: AuthorizeRequest) => boolean | Promise<boolean>

/** The rules of a door to a node. */
export interface AccessRules {
  /** True if the cluster's ACLs decide. */
  readonly acls: boolean
  /** Principals that may do everything. */
  readonly superUsers: ReadonlySet<string>
  /** True if a resource that no ACL is about is open to all. */
  readonly allowEveryoneIfNoAclFound: boolean
  /** Decides as well, where there is one. */
  readonly authorize?: Authorize
  /** So long an answer of `authorize` may take; a later one counts as no. */
  readonly authorizeTimeoutMs: number
}

/** The principal of a client, and the rules of the listener that it came in by. */
export interface ClientAccess {
  readonly principal: string
  /** Absent at a door that has none: there, who is let in may do everything. */
  readonly rules?: AccessRules
  /**
   * True if a user of this name is given by the program, which alone can change it. Default: none
   * is.
   */
  readonly isGivenUser?: (name: string) => boolean
}
