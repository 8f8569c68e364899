import { KafkaError } from '../../errors.js'
import { configOperation, incrementalAlterConfigs as decide } from '../../metadata/alter-configs.js'
import { resourceType } from '../../metadata/cluster-metadata.js'
import { refusalOf } from '../../metadata/refusal.js'
import { expectNodeId } from '../../metadata/resource-configs.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { IncrementalAlterConfigs } from '../../protocol/messages/incremental-alter-configs.js'
import type { ControllerNode } from '../node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof IncrementalAlterConfigs>
type Response = ResponseOf<typeof IncrementalAlterConfigs>

type Resource = Request['resources'][number]
type Result = Response['responses'][number]

/**
 * Changes configs; running logs follow at once. The levels of loggers are the node's own, and are
 * gone with it.
 */
export async function incrementalAlterConfigs(node: ControllerNode, request: Request, context: RequestContext): Promise<Response> {
  const isLogger = ({ resourceType: type }: Resource) => type === resourceType.brokerLogger
  const loggers = request.resources.filter(isLogger).map(resource => alteredLoggers(node, resource, request.validateOnly ?? false))
  const resources = request.resources.filter(resource => !isLogger(resource))
  if (resources.length === 0) return { throttleTimeMs: 0, responses: loggers }
  const altered = await node.controller.change(() => decide(node.metadata, { ...request, resources }, node.controller.contextFor(context)))
  return { ...altered, responses: [...loggers, ...altered.responses] }
}

function alteredLoggers(node: ControllerNode, { resourceType: type, resourceName, configs }: Resource, validateOnly: boolean): Result {
  try {
    expectNodeId(resourceName, [node.nodeId])
    for (const { name, configOperation: operation, value } of configs) {
      node.loggers.expectLogger(name)
      if (operation !== configOperation.set)
        throw new KafkaError('INVALID_REQUEST', `The level of the logger \`${name}\` can be set, and nothing else`)
      node.loggers.expectLevel(name, value ?? '')
    }
    if (!validateOnly) for (const { name, value } of configs) node.loggers.set(name, value ?? '')
    return { errorCode: 0, errorMessage: null, resourceType: type, resourceName }
  } catch (error) {
    return { ...refusalOf(error), resourceType: type, resourceName }
  }
}
