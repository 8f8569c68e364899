import { randomBytes } from 'node:crypto'
import { expectBytes, expectInteger, expectOneOf, expectString, isPlainObject, shown } from '../../common/options.js'
import type { ScramMechanism } from './scram-keys.js'
import { credentialOf, type ScramCredential, saltPassword } from './scram-keys.js'

/** Each login with PLAIN costs so many. */
const mostIterations = 1_000_000
const mechanisms: readonly ScramMechanism[] = ['SCRAM-SHA-256', 'SCRAM-SHA-512']

/**
 * The users that a program gives its listeners, in memory. Passwords are not kept: each user has,
 * per mechanism, the salted hashes that SCRAM needs, with which PLAIN is checked too. Changes take
 * effect for the next connection. Users whom clients make (AlterUserScramCredentials, KIP-554) are
 * the cluster's, which keeps them; a name that stands here is not theirs to change.
 */
export class Users {
  readonly #users = new Map<string, Map<ScramMechanism, ScramCredential>>()

  static async of(passwords: Readonly<Record<string, string>>): Promise<Users> {
    if (!isPlainObject(passwords))
      throw new TypeError(`Expected \`passwords\` to be an object of passwords by user name, got ${shown(passwords)}`)
    const users = new Users()
    await Promise.all(Object.entries(passwords).map(([name, password]) => users.add(name, password)))
    return users
  }

  get names(): readonly string[] {
    return [...this.#users.keys()].sort()
  }

  /**
   * Adds a user, or gives one a new password. `iterations`: default 4096, the least that Kafka
   * accepts; more makes guessing slower.
   */
  async add(name: string, password: string, iterations = 4096): Promise<void> {
    expectString('name', name)
    expectString('password', password)
    expectInteger('iterations', iterations, 4096, mostIterations)
    await Promise.all(
      mechanisms.map(async mechanism => {
        const salt = randomBytes(24)
        this.set(name, mechanism, credentialOf(mechanism, await saltPassword(mechanism, password, salt, iterations), salt, iterations))
      })
    )
  }

  get(name: string, mechanism: ScramMechanism): ScramCredential | undefined {
    expectText('name', name)
    expectOneOf('mechanism', mechanism, mechanisms)
    return this.#users.get(name)?.get(mechanism)
  }

  /** All credentials of a user. */
  of(name: string): ReadonlyMap<ScramMechanism, ScramCredential> {
    expectText('name', name)
    return this.#users.get(name) ?? new Map()
  }

  set(name: string, mechanism: ScramMechanism, credential: ScramCredential): void {
    expectString('name', name)
    expectOneOf('mechanism', mechanism, mechanisms)
    expectCredential(credential)
    const credentials = this.#users.get(name) ?? new Map()
    credentials.set(mechanism, credential)
    this.#users.set(name, credentials)
  }

  /**
   * Removes a user's credential, or with no mechanism given the user. Returns whether there was
   * one.
   */
  remove(name: string, mechanism?: ScramMechanism): boolean {
    expectString('name', name)
    if (mechanism !== undefined) expectOneOf('mechanism', mechanism, mechanisms)
    const credentials = this.#users.get(name)
    if (!credentials) return false
    if (mechanism !== undefined && !credentials.delete(mechanism)) return false
    if (mechanism === undefined || credentials.size === 0) this.#users.delete(name)
    return true
  }
}

/** A client may come with an empty name, which nobody has. */
function expectText(what: string, given: unknown): void {
  if (typeof given !== 'string') expectString(what, given)
}

function expectCredential(credential: ScramCredential): void {
  for (const name of ['salt', 'storedKey', 'serverKey'] as const) expectBytes(`credential.${name}`, credential?.[name])
  expectInteger('credential.iterations', credential.iterations, 1, mostIterations)
}
