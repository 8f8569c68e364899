import { describeConfigs as describe } from '../../metadata/describe-configs.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DescribeConfigs } from '../../protocol/messages/describe-configs.js'
import type { LocalBroker } from '../local-broker.js'

/** Tells the configs of topics and of this broker. */
export function describeConfigs(node: LocalBroker, request: RequestOf<typeof DescribeConfigs>): ResponseOf<typeof DescribeConfigs> {
  return describe(node.metadata, request, node.controllerContext, node.loggers)
}
