import { alterClientQuotas as decide } from '../../metadata/alter-client-quotas.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { AlterClientQuotas } from '../../protocol/messages/alter-client-quotas.js'
import type { ControllerNode } from '../node.js'

/** Changes quotas, which hold from the next request on. */
export function alterClientQuotas(
  node: ControllerNode,
  request: RequestOf<typeof AlterClientQuotas>
): Promise<ResponseOf<typeof AlterClientQuotas>> {
  return node.controller.change(() => decide(node.metadata.clientQuotas, request, node.configs.number('millrace.max.client.quotas')))
}
