import type { Api } from '../protocol/message.js'
import { DescribeCluster } from '../protocol/messages/describe-cluster.js'
import { Fetch } from '../protocol/messages/fetch.js'
import { FindCoordinator } from '../protocol/messages/find-coordinator.js'
import { Metadata } from '../protocol/messages/metadata.js'
import { Produce } from '../protocol/messages/produce.js'

/** Where clients find a node. */
export interface Endpoint {
  readonly host: string
  readonly port: number
}

type Located = { host: string; port: number }

/** Puts a listener's endpoint where a response says at which address a node is: the node itself does not know through which door a client came. */
export function withEndpoint(api: Api, response: object, { host, port }: Endpoint): object {
  const at = <T extends Located>(nodes: readonly T[] | undefined) => nodes?.map(node => ({ ...node, host, port }))
  switch (api.key) {
    case Metadata.key:
    case DescribeCluster.key: {
      const { brokers } = response as { brokers: Located[] }
      return { ...response, brokers: at(brokers) }
    }
    case FindCoordinator.key: {
      const found = response as { errorCode?: number; coordinators?: (Located & { errorCode: number })[] }
      const coordinators = found.coordinators?.map(each => (each.errorCode === 0 ? { ...each, host, port } : each))
      return found.errorCode ? { ...response, coordinators } : { ...response, host, port, coordinators }
    }
    case Produce.key:
    case Fetch.key: {
      const { nodeEndpoints } = response as { nodeEndpoints?: Located[] }
      return nodeEndpoints?.length ? { ...response, nodeEndpoints: at(nodeEndpoints) } : response
    }
    default:
      return response
  }
}
