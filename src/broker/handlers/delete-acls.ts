import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DeleteAcls } from '../../protocol/messages/delete-acls.js'
import type { LocalBroker } from '../local-broker.js'
import { noAuthorizer } from './no-authorizer.js'

/** Says that nobody's access is restricted here. */
export function deleteAcls(_node: LocalBroker, { filters }: RequestOf<typeof DeleteAcls>): ResponseOf<typeof DeleteAcls> {
  return { filterResults: filters.map(() => ({ ...noAuthorizer, matchingAcls: [] })) }
}
