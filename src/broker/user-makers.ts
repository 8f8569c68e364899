import { errorNumber } from '../errors.js'
import type { MetadataDecision } from '../metadata/cluster-metadata.js'
import { usersIn } from '../metadata/scram-credentials.js'
import type { ScramCredentials } from '../metadata/scram-state.js'
import { anonymous } from '../protocol/access.js'
import type { RequestOf, ResponseOf } from '../protocol/message.js'
import type { AlterUserScramCredentials } from '../protocol/messages/alter-user-scram-credentials.js'

type Request = RequestOf<typeof AlterUserScramCredentials>
type Response = ResponseOf<typeof AlterUserScramCredentials>

const nobody = anonymous.slice('User:'.length)

const refusal = {
  errorCode: errorNumber('CLUSTER_AUTHORIZATION_FAILED'),
  errorMessage: 'Without an authorizer, a user can be changed by itself and by the user who made it'
}

/**
 * Keeps clients from taking over the users of others at doors without an authorizer: a client may
 * make users, and change and remove itself and those whom it made. Who made whom is known until the
 * node is closed.
 */
export class UserMakers {
  /** By the user that was made. It has as many entries as there are such users. */
  readonly #makers = new Map<string, string>()

  /** Lets what the user may do of the request be decided, and refuses the rest. */
  decide(
    user: string,
    credentials: ScramCredentials,
    request: Request,
    decide: (allowed: Request) => MetadataDecision<Response>
  ): MetadataDecision<Response> {
    for (const name of this.#makers.keys()) if (!credentials.has(name)) this.#makers.delete(name)
    const isAllowed = ({ name }: { readonly name: string }) => {
      // A user of this name would be taken for nobody, who changes what it likes.
      if (name === nobody) return false
      return !credentials.has(name) || name === user || this.#makers.get(name) === user
    }
    const deletions = request.deletions.filter(isAllowed)
    const upsertions = request.upsertions.filter(isAllowed)
    const { response, records } = decide({ deletions, upsertions })
    for (const record of records)
      if (record.type === 'userScramCredential' && !credentials.has(record.name)) this.#makers.set(record.name, user)
    const refused = usersIn(request).filter(name => !isAllowed({ name }))
    const results = [...response.results, ...refused.map(name => ({ user: name, ...refusal }))]
    return { response: { ...response, results }, records }
  }
}
