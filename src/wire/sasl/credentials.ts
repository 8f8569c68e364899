import { wrongAnswer } from '../../common/foreign.js'
import type { ScramCredential, ScramMechanism } from './scram-keys.js'
import { StandIn } from './stand-in.js'
import type { Users } from './users.js'

/** The credentials of users, for authentication. */
export interface Credentials {
  of(name: string): ReadonlyMap<ScramMechanism, ScramCredential>
  /** A decoy credential, for an unknown name. */
  standIn(name: string): ReadonlyMap<ScramMechanism, ScramCredential>
}

/** The store of users that clients made. */
interface UserKeeper {
  scramCredentials?(user: string): ReadonlyMap<number, ScramCredential> | undefined
  /** The names of these users. */
  scramUsers?(): Iterable<string>
}

/** Users given to the listener come first; all others are kept by the node. */
export function credentials(given: Users, keeper: UserKeeper): Credentials {
  const kept = (name: string) =>
    new Map(
      [...listed('scramCredentials', keeper.scramCredentials?.(name) ?? [])].map(([number, credential]) => [mechanisms[number], credential])
    )
  const of = (name: string) => {
    const own = given.of(name)
    return own.size > 0 ? own : kept(name)
  }
  function* all() {
    for (const name of given.names) yield given.of(name)
    for (const name of listed('scramUsers', keeper.scramUsers?.() ?? [])) yield kept(name)
  }
  const standIn = new StandIn(all)
  return { of, standIn: name => standIn.of(name) }
}

/** The target of a listener may be code of a user's. */
function listed<T>(name: string, given: Iterable<T>): Iterable<T> {
  if (typeof given?.[Symbol.iterator] === 'function') return given
  throw wrongAnswer(`Expected \`${name}\` to return an iterable`, given)
}

const mechanisms: Readonly<Record<number, ScramMechanism>> = { 1: 'SCRAM-SHA-256', 2: 'SCRAM-SHA-512' }
