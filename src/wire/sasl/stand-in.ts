import { createHash, createHmac, randomBytes } from 'node:crypto'
import { concatBytes } from '../../common/bytes.js'
import type { ScramCredential, ScramMechanism } from './scram-keys.js'

type Credentials = ReadonlyMap<ScramMechanism, ScramCredential>

const noKey = new Uint8Array(32)

/** The form of decoy credentials, where a listener has no users. */
const plainUser: Credentials = new Map((['SCRAM-SHA-256', 'SCRAM-SHA-512'] as const).map(mechanism => [mechanism, shape(24, 4096)]))
/** The most users that are looked at. */
const mostUsers = 1000

/**
 * Stands in for users that do not exist, so that nobody learns from the answer, or from the time
 * that it takes, which names there are: each unknown name has the iterations and the length of salt
 * of some user that there is, and a salt of its own, always the same.
 */
export class StandIn {
  readonly #users: () => Iterable<Credentials>
  #secret: Uint8Array | undefined

  constructor(users: () => Iterable<Credentials>) {
    this.#users = users
  }

  of(name: string): Credentials {
    const users = this.#some()
    this.#secret ??= secretOf(users)
    const number = createHmac('sha256', this.#secret).update(`user ${name}`).digest().readUInt32BE()
    const like = users.length > 0 ? users[number % users.length] : plainUser
    return new Map(
      [...like].map(([mechanism, { salt, iterations }]) => [mechanism, this.#credential(name, mechanism, salt.length, iterations)])
    )
  }

  #some(): Credentials[] {
    const users: Credentials[] = []
    for (const credentials of this.#users()) {
      if (credentials.size > 0) users.push(credentials)
      if (users.length === mostUsers) break
    }
    return users
  }

  #credential(name: string, mechanism: ScramMechanism, saltBytes: number, iterations: number): ScramCredential {
    const salt = new Uint8Array(saltBytes)
    for (let at = 0; at < saltBytes; at += 64) {
      const digest = createHmac('sha512', this.#secret ?? '')
        .update(`salt ${at} ${mechanism} ${name}`)
        .digest()
      salt.set(digest.subarray(0, saltBytes - at), at)
    }
    return { ...shape(0, iterations), salt }
  }
}

/**
 * From what only the server knows of its users, so that the salts of unknown names outlive a
 * restart as those of users do.
 */
function secretOf(users: readonly Credentials[]): Uint8Array {
  const keys = users.flatMap(credentials => [...credentials.values()].map(({ serverKey }) => serverKey))
  return keys.length > 0 ? createHash('sha256').update(concatBytes(keys)).digest() : randomBytes(32)
}

function shape(saltBytes: number, iterations: number): ScramCredential {
  return { salt: new Uint8Array(saltBytes), iterations, storedKey: noKey, serverKey: noKey }
}
