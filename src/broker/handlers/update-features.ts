import { errorNumber } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { UpdateFeatures } from '../../protocol/messages/update-features.js'
import type { ControllerNode } from '../node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof UpdateFeatures>
type Response = ResponseOf<typeof UpdateFeatures>

/** From this version on an answer says in one word how all updates went. */
const firstVersionWithoutResults = 2

/**
 * Changes the levels of features (KIP-584). They are those of a new Kafka 4.3 that may open the
 * directory, and stay so.
 */
export function updateFeatures(node: ControllerNode, { featureUpdates }: Request, { apiVersion }: RequestContext): Response {
  const { features } = node.metadata
  const impossible = featureUpdates.find(
    ({ feature, maxVersionLevel, upgradeType = 1 }) => features.get(feature) !== maxVersionLevel || upgradeType < 1 || upgradeType > 3
  )
  if (impossible) {
    const { feature, maxVersionLevel } = impossible
    const level = features.get(feature)
    const present = level === undefined ? 'there is no such feature here' : `it is ${level}`
    const errorMessage = `No feature was updated: \`${feature}\` cannot be set to ${maxVersionLevel}, ${present}`
    return { throttleTimeMs: 0, errorCode: errorNumber('INVALID_UPDATE_VERSION'), errorMessage, results: [] }
  }
  const results = featureUpdates.map(({ feature }) => ({ feature, errorCode: 0, errorMessage: null }))
  return { throttleTimeMs: 0, errorCode: 0, errorMessage: null, results: apiVersion < firstVersionWithoutResults ? results : [] }
}
