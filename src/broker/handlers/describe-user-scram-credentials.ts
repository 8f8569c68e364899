import { describeUserScramCredentials as describe } from '../../metadata/scram-credentials.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DescribeUserScramCredentials } from '../../protocol/messages/describe-user-scram-credentials.js'
import type { ControllerNode } from '../node.js'

type Request = RequestOf<typeof DescribeUserScramCredentials>

/** Tells of users that clients made. */
export function describeUserScramCredentials(node: ControllerNode, request: Request): ResponseOf<typeof DescribeUserScramCredentials> {
  return describe(node.metadata.scramCredentials, request)
}
