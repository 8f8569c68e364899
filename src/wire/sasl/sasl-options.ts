import type { ScramMechanism } from './scram-keys.js'
import type { Users } from './users.js'

/** The ways of proving who one is that millrace knows. */
export type SaslMechanism = PasswordMechanism | 'OAUTHBEARER'
/** The mechanisms that need a user name and a password. */
export type PasswordMechanism = 'PLAIN' | ScramMechanism

export const passwordMechanisms: readonly PasswordMechanism[] = ['PLAIN', 'SCRAM-SHA-256', 'SCRAM-SHA-512']
export const saslMechanisms: readonly SaslMechanism[] = [...passwordMechanisms, 'OAUTHBEARER']

/** The users of a listener, and their mechanisms. `users`, `oauthBearer` or both are needed. */
export interface SaslServerOptions {
  /**
   * Passwords by user name, hashed at once and kept only so; or a store of users, which may change
   * while the listener runs. Users whom clients make (AlterUserScramCredentials) come in as well;
   * the cluster keeps them. Default: nobody.
   */
  readonly users?: Readonly<Record<string, string>> | Users
  /** Lets in whoever shows a token that this finds valid (OAUTHBEARER). Default: nobody. */
  readonly oauthBearer?: OAuthBearerServerOptions
  /**
   * Default: PLAIN, SCRAM-SHA-256 and SCRAM-SHA-512 where there are `users`, OAUTHBEARER where
   * there is `oauthBearer`. PLAIN and OAUTHBEARER send the secret as it is: leave them out where
   * there is no TLS.
   */
  readonly mechanisms?: readonly SaslMechanism[]
}

/** The validation of the tokens of a listener's clients (RFC 7628, KIP-255). */
export interface OAuthBearerServerOptions {
  /**
   * Says whose a token is: its signature, issuer, audience and time are for this function to check,
   * with a library for JSON Web Tokens for instance. An error that it throws, and `undefined`,
   * refuse the token: the client hears `invalid_token`, and the reason is in the listener's
   * `disconnected` event. Where it takes too long, or returns something else, the listener emits
   * `error` as well.
   */
  readonly validate: (token: string, context: TokenContext) => TokenOwner | undefined | Promise<TokenOwner | undefined>
  /** Milliseconds that `validate` may take. Default: 5000. */
  readonly timeoutMs?: number
  /**
   * The scope that a token needs, which clients with a token that was refused are told. Default:
   * none.
   */
  readonly scope?: string
  /**
   * The URL of the OpenID configuration of whoever issues tokens, which those clients are told.
   * Default: none.
   */
  readonly openidConfiguration?: string
}

/** The circumstances in which a client shows a token. */
export interface TokenContext {
  /**
   * The extensions that the client sent beside the token (KIP-342): trust them only as far as the
   * token says the same.
   */
  readonly extensions: Readonly<Record<string, string>>
  /** The address that the client comes from. */
  readonly host: string
  /** Aborts when the answer comes too late, and when it has come. */
  readonly signal: AbortSignal
}

/** Whose a token is, and for how long. */
export interface TokenOwner {
  /** The name of the user: `'ann'` is the principal `User:ann`. */
  readonly user: string
  /**
   * The time at which the token expires, in milliseconds since 1970; the client has to authenticate
   * again by then, as after `connectionsMaxReauthMs` (KIP-368). Default: the token does not expire.
   */
  readonly expiresAtMs?: number
}

/** As whom to connect: with a password, or with a token. */
export type SaslClientOptions = SaslPasswordOptions | SaslTokenOptions

export interface SaslPasswordOptions {
  readonly mechanism: PasswordMechanism
  readonly username: string
  readonly password: string
}

export interface SaslTokenOptions {
  readonly mechanism: 'OAUTHBEARER'
  /**
   * Gives a valid token: called when a connection opens, and again before its session ends. A
   * connection whose `token` throws, or takes longer than `connectTimeoutMs`, fails with
   * NETWORK_EXCEPTION or REQUEST_TIMED_OUT, which are retried as those of a broker that cannot be
   * reached.
   */
  readonly token: () => OAuthBearerToken | Promise<OAuthBearerToken>
}

/** A token, and what to say beside it (KIP-342). */
export type OAuthBearerToken = string | { readonly value: string; readonly extensions?: Readonly<Record<string, string>> }
