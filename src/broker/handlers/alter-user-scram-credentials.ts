import { textBytes } from '../../common/bytes.js'
import { errorNumber } from '../../errors.js'
import {
  alterUserScramCredentials as decide,
  problemOfUpsertion,
  type ScramKeys,
  type ScramUpsertion,
  scramHashes,
  usersIn
} from '../../metadata/scram-credentials.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { AlterUserScramCredentials } from '../../protocol/messages/alter-user-scram-credentials.js'
import type { ControllerNode } from '../node.js'
import type { RequestContext } from '../request-context.js'

type Request = RequestOf<typeof AlterUserScramCredentials>
type Response = ResponseOf<typeof AlterUserScramCredentials>

/**
 * Makes, changes and removes users. Of what clients send, only the two keys are kept: a salted
 * password would let in whoever finds it.
 */
export async function alterUserScramCredentials(node: ControllerNode, request: Request, context: RequestContext): Promise<Response> {
  const { user, isGivenUser = () => false } = context
  const names = usersIn(request)
  // Nothing of it is done: a change of such a user would have no effect, and would look as if it
  // had.
  const given = names.filter(isGivenUser)
  if (given.length > 0) {
    const errorMessage = `The listener was given ${given.join(', ')}, whom only its program can change`
    return { results: names.map(name => ({ user: name, errorCode: errorNumber('UNACCEPTABLE_CREDENTIAL'), errorMessage })) }
  }
  const valid = request.upsertions.filter(upsertion => !problemOfUpsertion(upsertion))
  const keys = new Map(await Promise.all(valid.map(async upsertion => [upsertion, await keysOf(upsertion)] as const)))
  const most = node.configs.number('millrace.max.users')
  return node.controller.change(() => {
    const credentials = node.metadata.scramCredentials
    if (user === undefined) return decide(credentials, request, keys, most)
    return node.userMakers.decide(user, credentials, request, allowed => decide(credentials, allowed, keys, most))
  })
}

async function keysOf({ mechanism, saltedPassword }: ScramUpsertion): Promise<ScramKeys> {
  const hash = scramHashes.get(mechanism) as string
  const key = await crypto.subtle.importKey('raw', saltedPassword.slice(), { name: 'HMAC', hash }, false, ['sign'])
  const hmac = async (text: string) => new Uint8Array(await crypto.subtle.sign('HMAC', key, textBytes(text).slice()))
  const [clientKey, serverKey] = await Promise.all([hmac('Client Key'), hmac('Server Key')])
  return { storedKey: new Uint8Array(await crypto.subtle.digest(hash, clientKey)), serverKey }
}
