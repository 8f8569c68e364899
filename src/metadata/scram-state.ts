/**
 * The credential derived from a password (RFC 5802): enough to check it, not enough to log in with.
 */
export interface ScramCredentialState {
  readonly salt: Uint8Array
  readonly iterations: number
  readonly storedKey: Uint8Array
  readonly serverKey: Uint8Array
}

/** Users by name, and what is kept of each by the number of the mechanism. */
export type ScramCredentials = ReadonlyMap<string, ReadonlyMap<number, ScramCredentialState>>
