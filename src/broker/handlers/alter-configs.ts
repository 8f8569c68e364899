import { alterConfigs as decide } from '../../metadata/alter-configs.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { AlterConfigs } from '../../protocol/messages/alter-configs.js'
import type { ControllerNode } from '../node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof AlterConfigs>

/** Replaces all configs of topics: the way of older clients. */
export function alterConfigs(node: ControllerNode, request: Request, context: RequestContext): Promise<ResponseOf<typeof AlterConfigs>> {
  return node.controller.change(() => decide(node.metadata, request, node.controller.contextFor(context)))
}
