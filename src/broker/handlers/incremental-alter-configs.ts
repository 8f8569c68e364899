import { incrementalAlterConfigs as decide } from '../../metadata/alter-configs.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.js'
import type { LocalBroker } from '../local-broker.js'

type Request = RequestOf<typeof IncrementalAlterConfigs>

/** Changes configs of topics; running logs follow at once. */
export function incrementalAlterConfigs(node: LocalBroker, request: Request): Promise<ResponseOf<typeof IncrementalAlterConfigs>> {
  return node.change(() => decide(node.metadata, request, node.controllerContext))
}
