import type { MaybePromise } from '../common/deferred.js'
import type { Api, RequestOf, ResponseOf } from '../protocol/message.js'
import type { Node } from './node.js'
import type { RequestContext } from './request-context.js'

/**
 * Answers the requests of one API. What is wrong with data stands in the response; what it throws
 * is a failure of the node.
 */
export type Handler<A extends Api> = (
  node: Node,
  request: RequestOf<A>,
  context: RequestContext,
  signal?: AbortSignal
) => MaybePromise<ResponseOf<A>>
