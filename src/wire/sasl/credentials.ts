import { errorNumber } from '../../errors.js'
import type { Api, RequestOf, ResponseOf } from '../../protocol/message.js'
import { AlterUserScramCredentials } from '../../protocol/messages/alter-user-scram-credentials.js'
import type { ScramMechanism } from './sasl-options.js'
import type { ScramCredential } from './scram-keys.js'
import type { Users } from './users.js'

/** Where authentication finds what is kept of a user's password. */
export interface Credentials {
  of(name: string): ReadonlyMap<ScramMechanism, ScramCredential>
}

/** Who keeps the users whom clients made. */
interface UserKeeper {
  scramCredentials?(user: string): ReadonlyMap<number, ScramCredential> | undefined
}

/** Those whom a listener was given come first, as they stand; all others are those whom the node keeps. */
export function credentials(given: Users, keeper: UserKeeper): Credentials {
  return {
    of(name) {
      const own = given.of(name)
      if (own.size > 0) return own
      return new Map([...(keeper.scramCredentials?.(name) ?? [])].map(([number, credential]) => [mechanisms[number], credential]))
    }
  }
}

const mechanisms: Readonly<Record<number, ScramMechanism>> = { 1: 'SCRAM-SHA-256', 2: 'SCRAM-SHA-512' }

/**
 * The answer to a request that would change a user whom the listener was given: nothing of it is done, as it would have no effect and would look as if
 * it had. Undefined for all other requests.
 */
export function refuseChangesOfGiven(given: Users, api: Api, body: object): ResponseOf<typeof AlterUserScramCredentials> | undefined {
  if (api !== AlterUserScramCredentials) return undefined
  const { deletions, upsertions } = body as RequestOf<typeof AlterUserScramCredentials>
  const names = [...new Set([...deletions, ...upsertions].map(({ name }) => name))]
  const refused = names.filter(name => given.of(name).size > 0)
  if (refused.length === 0) return undefined
  const errorMessage = `The listener was given ${refused.join(', ')}, whom only its program can change`
  return { results: names.map(user => ({ user, errorCode: errorNumber('UNACCEPTABLE_CREDENTIAL'), errorMessage })) }
}
