import { incrementalAlterConfigs as decide } from '../../metadata/alter-configs.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.js'
import type { LocalBroker } from '../local-broker.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof IncrementalAlterConfigs>
type Response = ResponseOf<typeof IncrementalAlterConfigs>

/** Changes configs of topics; running logs follow at once. */
export function incrementalAlterConfigs(node: LocalBroker, request: Request, context: RequestContext): Promise<Response> {
  return node.change(() => decide(node.metadata, request, node.controllerContextFor(context)))
}
