import { describeConfigs as describe } from '../../metadata/describe-configs.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DescribeConfigs } from '../../protocol/messages/describe-configs.js'
import type { ControllerNode } from '../node.js'

/** Tells the configs of topics and of this broker. */
export function describeConfigs(node: ControllerNode, request: RequestOf<typeof DescribeConfigs>): ResponseOf<typeof DescribeConfigs> {
  return describe(node.metadata, request, node.controller.context, node.loggers)
}
