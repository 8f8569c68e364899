import type { Access } from '../../authorizer/access.js'
import type { MaybePromise } from '../../common/deferred.js'
import { zeroUuid } from '../../common/uuid.js'
import { errorNumber } from '../../errors.js'
import type { AclResourceType, AuthorizedOperation } from '../../protocol/access.js'
import type { Api, RequestOf, ResponseOf } from '../../protocol/message.js'
import type { Node, TopicNode } from '../node.js'
import type { RequestContext } from '../request-context.js'

/** A request of a client that may not do everything. */
export interface Guarded<A extends Api> {
  readonly access: Access
  readonly node: Node
  readonly request: RequestOf<A>
  readonly context: RequestContext
  /** Has the node answer: the request as it is, or what of it the client may ask for. */
  readonly answer: (request: RequestOf<A>) => MaybePromise<ResponseOf<A>>
}

/**
 * Stands before the handler of an API: asks what the client may do, and has the node answer that
 * much.
 */
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

/** Tells whether the operation is allowed on the resource of an entry. */
export async function permitting<T>(
  access: Access,
  operation: AuthorizedOperation,
  type: AclResourceType,
  entries: readonly T[],
  nameOf: (entry: T) => string
): Promise<(entry: T) => boolean> {
  const allowed = await access.which(operation, type, entries.map(nameOf))
  return entry => allowed.has(nameOf(entry))
}

/** The answers and the refusals, in the order of the request. */
export function inOrder<T, R>(entries: readonly T[], passes: (entry: T) => boolean, answered: readonly R[], refuse: (entry: T) => R): R[] {
  const answers = answered.values()
  return entries.flatMap(entry => (passes(entry) ? (answers.next().value ?? []) : [refuse(entry)]))
}

/**
 * The name of a topic that is named by name or id; undefined for an id that there is not, which
 * tells nothing.
 */
export function nameOf(node: TopicNode, name: string | null | undefined, topicId: string = zeroUuid): string | undefined {
  return topicId === zeroUuid ? (name ?? undefined) : node.findTopic('', topicId)?.name
}

interface NamedTopic {
  readonly name?: string | null
  readonly topicId?: string
}

export function* namesOf(node: TopicNode, topics: Iterable<NamedTopic>): Generator<string> {
  for (const { name, topicId } of topics) {
    const found = nameOf(node, name, topicId)
    if (found !== undefined) yield found
  }
}

/**
 * Tells which topics are left to the node: those that are allowed, and those of which only the node
 * knows that they are none.
 */
export function passing(node: TopicNode, allowed: ReadonlySet<string>): (topic: NamedTopic) => boolean {
  return ({ name, topicId }) => {
    const found = nameOf(node, name, topicId)
    return found === undefined || allowed.has(found)
  }
}

type TopicIn<M> = M extends { readonly topics: readonly (infer T)[] } ? T : never

/**
 * For requests that name topics: the node answers for those on which one of the operations is
 * allowed, `refuse` for the others.
 */
export function topicsGuard<A extends Api>(
  operations: readonly AuthorizedOperation[],
  nameOfTopic: (topic: TopicIn<RequestOf<A>>) => string,
  refuse: (topic: TopicIn<RequestOf<A>>) => TopicIn<ResponseOf<A>>
): Guard<A> {
  return async ({ access, request, answer }) => {
    const { topics } = request as object as { readonly topics: readonly TopicIn<RequestOf<A>>[] }
    const allowed = new Set<string>()
    for (const operation of operations) {
      const others = topics.map(nameOfTopic).filter(name => !allowed.has(name))
      for (const name of await access.which(operation, 'topic', others)) allowed.add(name)
    }
    const passes = (topic: TopicIn<RequestOf<A>>) => allowed.has(nameOfTopic(topic))
    const response = await answer({ ...request, topics: topics.filter(passes) })
    const { topics: answered } = response as object as { readonly topics: readonly TopicIn<ResponseOf<A>>[] }
    return { ...response, topics: inOrder(topics, passes, answered, refuse) }
  }
}
