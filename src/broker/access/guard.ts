import type { Access } from '../../authorizer/access.js'
import type { MaybePromise } from '../../common/deferred.js'
import { errorNumber } from '../../errors.js'
import type { Api, RequestOf, ResponseOf } from '../../protocol/message.js'
import type { LocalBroker } from '../local-broker.js'
import type { RequestContext } from '../request-context.js'

/** A request of a client that may not do everything. */
export interface Guarded<A extends Api> {
  readonly access: Access
  readonly node: LocalBroker
  readonly request: RequestOf<A>
  readonly context: RequestContext
  /** Has the node answer: the request as it is, or what of it the client may ask for. */
  readonly answer: (request: RequestOf<A>) => MaybePromise<ResponseOf<A>>
}

/** Stands before the handler of an API: asks what the client may do, and has the node answer that much. */
export type Guard<A extends Api> = (guarded: Guarded<A>) => MaybePromise<ResponseOf<A>>

export const topicDenied = errorNumber('TOPIC_AUTHORIZATION_FAILED')
export const groupDenied = errorNumber('GROUP_AUTHORIZATION_FAILED')
export const clusterDenied = errorNumber('CLUSTER_AUTHORIZATION_FAILED')
export const transactionalIdDenied = errorNumber('TRANSACTIONAL_ID_AUTHORIZATION_FAILED')

/** The entries that pass a test, and the others. */
export function parted<T>(entries: readonly T[], passes: (entry: T) => boolean): [T[], T[]] {
  const parts: [T[], T[]] = [[], []]
  for (const entry of entries) parts[passes(entry) ? 0 : 1].push(entry)
  return parts
}

/** What was answered and what was refused, in the order of the request. */
export function inOrder<T, R>(entries: readonly T[], passes: (entry: T) => boolean, answered: readonly R[], refuse: (entry: T) => R): R[] {
  const answers = answered.values()
  return entries.flatMap(entry => (passes(entry) ? (answers.next().value ?? []) : [refuse(entry)]))
}
