import { errorNumber } from '../../errors.js'
import { deleteTopics as decide } from '../../metadata/delete-topics.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DeleteTopics } from '../../protocol/messages/delete-topics.js'
import type { Node } from '../node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof DeleteTopics>
type Response = ResponseOf<typeof DeleteTopics>

/** Before this version clients did not know the error for deletion that is switched off. */
const deletionDisabledVersion = 3
/**
 * Before this version clients did not know the error for too many changes, and are only throttled.
 */
const firstStrictVersion = 5

/** Deletes topics with all that is in them, and what groups have committed for them. */
export async function deleteTopics(node: Node, request: Request, context: RequestContext): Promise<Response> {
  const { apiVersion } = context
  // Before another topic can be created under the name: its offsets must not be taken for those of
  // the old one, nor be dropped with them.
  const dropOffsets = async ({ responses }: Response) => {
    const names = responses.flatMap(({ name, errorCode }) => (errorCode === 0 && name !== null ? [name] : []))
    if (names.length === 0) return
    // The topics are gone whatever becomes of this; offsets that stay behind count for no other
    // topic, by its id.
    await node.groups
      .topicsDeleted(names)
      .catch(error => node.events.emit('error', { error, during: 'dropping offsets of deleted topics' }))
  }
  const response = await node.controller.change(
    () => decide(node.metadata, request, node.controller.contextFor(context, firstStrictVersion)),
    dropOffsets
  )
  if (apiVersion < deletionDisabledVersion) {
    for (const result of response.responses)
      if (result.errorCode === errorNumber('TOPIC_DELETION_DISABLED')) result.errorCode = errorNumber('INVALID_REQUEST')
  }
  return response
}
