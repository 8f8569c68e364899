import { errorNumber } from '../../errors.js'
import { resourceType } from '../../metadata/cluster-metadata.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { ListConfigResources } from '../../protocol/messages/list-config-resources.js'
import type { ControllerNode, TopicNode } from '../node.js'
import type { RequestContext } from '../request-context.js'
import { servedTopics } from '../served-topics.js'

type Request = RequestOf<typeof ListConfigResources>
type Response = ResponseOf<typeof ListConfigResources>

const allTypes: readonly number[] = Object.values(resourceType)

/**
 * Lists what has configs (KIP-1142). Version 0 only knew of client metrics, which have configs only
 * while some are set.
 */
export function listConfigResources(
  node: TopicNode & ControllerNode,
  { resourceTypes = [] }: Request,
  { apiVersion }: RequestContext
): Response {
  const wanted = apiVersion === 0 ? [resourceType.clientMetrics] : resourceTypes.length > 0 ? resourceTypes : allTypes
  if (wanted.some(each => !allTypes.includes(each))) return { errorCode: errorNumber('UNSUPPORTED_VERSION'), configResources: [] }
  const configResources = [...new Set(wanted)].flatMap(type =>
    namesOf(node, type).map(resourceName => ({ resourceName, resourceType: type }))
  )
  return { errorCode: 0, configResources }
}

function namesOf(node: TopicNode & ControllerNode, type: number): readonly string[] {
  switch (type) {
    case resourceType.topic:
      return servedTopics(node).map(({ name }) => name)
    case resourceType.broker:
    case resourceType.brokerLogger:
      return [String(node.nodeId)]
    default:
      return node.metadata.configuredNames(type)
  }
}
