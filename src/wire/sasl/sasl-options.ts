import type { Users } from './users.js'

/** The ways of proving who one is that millrace knows. */
export type SaslMechanism = 'PLAIN' | ScramMechanism
export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512'

export const saslMechanisms: readonly SaslMechanism[] = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']

/** Who may come in through a listener, and how they prove it. */
export interface SaslServerOptions {
  /**
   * Passwords by user name, hashed at once and kept only so; or a store of users, which may change while the listener runs. Users whom clients make
   * (AlterUserScramCredentials) come in as well; the cluster keeps them.
   */
  readonly users: Readonly<Record<string, string>> | Users
  /** Default: all three. PLAIN sends the password as it is: leave it out where there is no TLS. */
  readonly mechanisms?: readonly SaslMechanism[]
}

/** As whom to connect. */
export interface SaslClientOptions {
  readonly mechanism: SaslMechanism
  readonly username: string
  readonly password: string
}
