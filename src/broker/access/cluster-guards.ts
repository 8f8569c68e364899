import type { Access } from '../../authorizer/access.js'
import { whenThere } from '../../common/deferred.js'
import { KafkaError } from '../../errors.js'
import { resourceType } from '../../metadata/cluster-metadata.js'
import type { AclResourceType, AuthorizedOperation } from '../../protocol/access.js'
import type { Api, RequestOf, ResponseOf } from '../../protocol/message.js'
import type { AlterConfigs } from '../../protocol/messages/alter-configs.js'
import type { DescribeCluster } from '../../protocol/messages/describe-cluster.js'
import type { DescribeConfigs } from '../../protocol/messages/describe-configs.js'
import type { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.js'
import type { InitProducerId } from '../../protocol/messages/init-producer-id.js'
import { clusterDenied, type Guard, type Guarded, groupDenied, topicDenied, transactionalIdDenied } from './guard.js'
import { clusterOperations } from './topic-guards.js'

/** For requests that take a right to the cluster itself. */
export function clusterGuard<A extends Api>(operation: AuthorizedOperation, refused: (request: RequestOf<A>) => ResponseOf<A>): Guard<A> {
  return ({ access, request, answer }) =>
    whenThere(access.mayCluster(operation), isAllowed => (isAllowed ? answer(request) : refused(request)))
}

/** The right that each kind of resource with configs takes. */
const configKinds: ReadonlyMap<number, { readonly type: AclResourceType; readonly errorCode: number }> = new Map([
  [resourceType.topic, { type: 'topic', errorCode: topicDenied }],
  [resourceType.broker, { type: 'cluster', errorCode: clusterDenied }],
  [resourceType.brokerLogger, { type: 'cluster', errorCode: clusterDenied }],
  [resourceType.clientMetrics, { type: 'cluster', errorCode: clusterDenied }],
  [resourceType.group, { type: 'group', errorCode: groupDenied }]
])

interface ConfigResource {
  readonly resourceType: number
  readonly resourceName: string
}

/**
 * The error of each resource whose configs the client may not see or change; the node itself
 * answers for a kind that there is not.
 */
async function deniedConfigs(
  access: Access,
  operation: AuthorizedOperation,
  resources: readonly ConfigResource[]
): Promise<Map<ConfigResource, { errorCode: number; errorMessage: string }>> {
  const denied = new Map<ConfigResource, { errorCode: number; errorMessage: string }>()
  for (const resource of resources) {
    const kind = configKinds.get(resource.resourceType)
    if (!kind) continue
    const { type, errorCode } = kind
    const isAllowed = await (type === 'cluster' ? access.mayCluster(operation) : access.may(operation, type, resource.resourceName))
    if (!isAllowed) denied.set(resource, { errorCode, errorMessage: KafkaError.fromNumber(errorCode).message })
  }
  return denied
}

export const describeConfigsGuard: Guard<typeof DescribeConfigs> = async ({ access, request, answer }) => {
  const denied = await deniedConfigs(access, 'describeConfigs', request.resources)
  const passes = (resource: ConfigResource) => !denied.has(resource)
  const response = await answer({ ...request, resources: request.resources.filter(passes) })
  const refuse = (resource: ConfigResource) => {
    const { resourceType, resourceName } = resource
    return { ...denied.get(resource)!, resourceType, resourceName, configs: [] }
  }
  if (denied.size === 0) return response
  return { ...response, results: [...response.results, ...[...denied.keys()].map(refuse)] }
}

/** For both ways to change configs: their answers look the same. */
export async function alterConfigsGuard<A extends typeof AlterConfigs | typeof IncrementalAlterConfigs>({
  access,
  request,
  answer
}: Guarded<A>): Promise<ResponseOf<A>> {
  const { resources } = request as object as { readonly resources: readonly ConfigResource[] }
  const denied = await deniedConfigs(access, 'alterConfigs', resources)
  if (denied.size === 0) return answer(request)
  const response = await answer({ ...request, resources: resources.filter(resource => !denied.has(resource)) })
  const refused = [...denied].map(([{ resourceType, resourceName }, error]) => ({ ...error, resourceType, resourceName }))
  return { ...response, responses: [...(response as ResponseOf<typeof AlterConfigs>).responses, ...refused] }
}

/**
 * An idempotent producer needs to be allowed it on the cluster, or to write to one topic at least.
 */
export const initProducerIdGuard: Guard<typeof InitProducerId> = async ({ access, node, request, answer }) => {
  const refused = (errorCode: number) => ({ errorCode, producerId: -1, producerEpoch: -1 })
  const { transactionalId } = request
  if (transactionalId !== null)
    return (await access.may('write', 'transactionalId', transactionalId)) ? answer(request) : refused(transactionalIdDenied)
  const isAllowed = (await access.mayCluster('idempotentWrite')) || (await access.maySomewhere('write', 'topic', node.topics.keys()))
  return isAllowed ? answer(request) : refused(clusterDenied)
}

export const describeClusterGuard: Guard<typeof DescribeCluster> = async guarded => {
  const response = await guarded.answer(guarded.request)
  if (response.errorCode !== 0 || !guarded.request.includeClusterAuthorizedOperations) return response
  return { ...response, clusterAuthorizedOperations: await clusterOperations(guarded, true) }
}
