import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { ListConfigResources } from '../../protocol/messages/list-config-resources.js'
import type { LocalBroker } from '../local-broker.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof ListConfigResources>
type Response = ResponseOf<typeof ListConfigResources>

/** Kafka's numbers for the kinds of things that have configs. */
const type = { topic: 2, broker: 4, brokerLogger: 8, clientMetrics: 16, group: 32 } as const
const allTypes: readonly number[] = Object.values(type)

/** Lists what has configs (KIP-1142). Version 0 only knew of client metrics, of which there are none here. */
export function listConfigResources(node: LocalBroker, { resourceTypes = [] }: Request, { apiVersion }: RequestContext): Response {
  const wanted = apiVersion === 0 ? [type.clientMetrics] : resourceTypes.length > 0 ? resourceTypes : allTypes
  if (wanted.some(each => !allTypes.includes(each))) return { errorCode: errorNumber('UNSUPPORTED_VERSION'), configResources: [] }
  const configResources = [...new Set(wanted)].flatMap(resourceType =>
    namesOf(node, resourceType).map(resourceName => ({ resourceName, resourceType }))
  )
  return { errorCode: 0, configResources }
}

function namesOf(node: LocalBroker, resourceType: number): readonly string[] {
  switch (resourceType) {
    case type.topic:
      return [...node.topics.keys()]
    case type.broker:
    case type.brokerLogger:
      return [String(node.nodeId)]
    default:
      return []
  }
}
