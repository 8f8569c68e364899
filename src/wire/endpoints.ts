import type { Api, ResponseOf } from '../protocol/message.js'
import { DescribeCluster } from '../protocol/messages/describe-cluster.js'
import { DescribeConfigs } from '../protocol/messages/describe-configs.js'
import { Fetch } from '../protocol/messages/fetch.js'
import { FindCoordinator } from '../protocol/messages/find-coordinator.js'
import { Metadata } from '../protocol/messages/metadata.js'
import { Produce } from '../protocol/messages/produce.js'

/** The address at which clients find a node. */
export interface Endpoint {
  readonly host: string
  readonly port: number
  /** Kafka's name for how clients speak there. Default: PLAINTEXT. */
  readonly protocol?: 'PLAINTEXT' | 'SSL' | 'SASL_PLAINTEXT' | 'SASL_SSL'
}

type Located = { host: string; port: number }

/**
 * Puts a listener's endpoint where a response says at which address a node is: the node itself does
 * not know through which door a client came.
 */
export function withEndpoint(api: Api, response: object, endpoint: Endpoint): object {
  const { host, port } = endpoint
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
    case DescribeConfigs.key:
      return withListeners(response as ResponseOf<typeof DescribeConfigs>, endpoint)
    default:
      return response
  }
}

const listenerConfigs = ['listeners', 'advertised.listeners']
const brokerResource = 4
const staticBroker = 4

/** The configs of a broker that say where it is listened for. */
function withListeners(response: ResponseOf<typeof DescribeConfigs>, { host, port, protocol = 'PLAINTEXT' }: Endpoint): object {
  const value = `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}`
  const results = response.results.map(result => {
    if (result.resourceType !== brokerResource) return result
    const configs = result.configs.map(config =>
      listenerConfigs.includes(config.name) ? { ...config, value, configSource: staticBroker } : config
    )
    return { ...result, configs }
  })
  return { ...response, results }
}
