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
