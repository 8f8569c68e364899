import { describeClientQuotas as describe } from '../../metadata/alter-client-quotas.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DescribeClientQuotas } from '../../protocol/messages/describe-client-quotas.js'
import type { ControllerNode } from '../node.js'

/** Tells the quotas that fit a filter. */
export function describeClientQuotas(
  node: ControllerNode,
  request: RequestOf<typeof DescribeClientQuotas>
): ResponseOf<typeof DescribeClientQuotas> {
  return describe(node.metadata.clientQuotas, request)
}
