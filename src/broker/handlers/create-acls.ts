import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { CreateAcls } from '../../protocol/messages/create-acls.js'
import type { LocalBroker } from '../local-broker.js'
import { noAuthorizer } from './no-authorizer.js'

/** Says that nobody's access is restricted here. */
export function createAcls(_node: LocalBroker, { creations }: RequestOf<typeof CreateAcls>): ResponseOf<typeof CreateAcls> {
  return { results: creations.map(() => noAuthorizer) }
}
