import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DescribeCluster } from '../../protocol/messages/describe-cluster.js'
import { allClusterOperations, operationsNotAsked } from '../authorized-operations.js'
import type { NamedNode } from '../node.js'

const brokers = 1
const controllers = 2

/** Tells who the cluster is: one node, which is its own controller. */
export function describeCluster(node: NamedNode, request: RequestOf<typeof DescribeCluster>): ResponseOf<typeof DescribeCluster> {
  const { endpointType = brokers } = request
  if (endpointType !== brokers) {
    return {
      errorCode: errorNumber(endpointType === controllers ? 'MISMATCHED_ENDPOINT_TYPE' : 'UNSUPPORTED_ENDPOINT_TYPE'),
      errorMessage: 'A broker tells the endpoints of brokers only',
      endpointType: brokers,
      clusterId: node.clusterId,
      brokers: []
    }
  }
  return {
    throttleTimeMs: 0,
    errorCode: 0,
    errorMessage: null,
    endpointType,
    clusterId: node.clusterId,
    clusterAuthorizedOperations: request.includeClusterAuthorizedOperations ? allClusterOperations : operationsNotAsked,
    controllerId: node.nodeId,
    brokers: [{ brokerId: node.nodeId, host: node.endpoint.host, port: node.endpoint.port, rack: null, isFenced: false }]
  }
}
