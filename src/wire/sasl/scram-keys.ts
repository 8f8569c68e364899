import { createHash, createHmac, pbkdf2, timingSafeEqual } from 'node:crypto'
import { promisify } from 'node:util'

/** The ways of proving a password without sending it, one for each hash. */
export type ScramMechanism = 'SCRAM-SHA-256' | 'SCRAM-SHA-512'

/**
 * The arithmetic of SCRAM (RFC 5802). From a password come two keys, of which a server keeps one
 * hash and the other key:
 *     saltedPassword := PBKDF2(password, salt, iterations)
 *     clientKey := HMAC(saltedPassword, "Client Key")    storedKey := H(clientKey)    serverKey := HMAC(saltedPassword, "Server Key")
 *     proof := clientKey xor HMAC(storedKey, authMessage)    signature := HMAC(serverKey, authMessage)
 */
export interface ScramCredential {
  readonly salt: Uint8Array
  readonly iterations: number
  readonly storedKey: Uint8Array
  readonly serverKey: Uint8Array
}

const hashes = { 'SCRAM-SHA-256': { name: 'sha256', bytes: 32 }, 'SCRAM-SHA-512': { name: 'sha512', bytes: 64 } } as const
const derive = promisify(pbkdf2)

export async function saltPassword(mechanism: ScramMechanism, password: string, salt: Uint8Array, iterations: number): Promise<Uint8Array> {
  const { name, bytes } = hashes[mechanism]
  return derive(password, salt, iterations, bytes, name)
}

export function credentialOf(mechanism: ScramMechanism, saltedPassword: Uint8Array, salt: Uint8Array, iterations: number): ScramCredential {
  return {
    salt,
    iterations,
    storedKey: hash(mechanism, clientKeyOf(mechanism, saltedPassword)),
    serverKey: hmac(mechanism, saltedPassword, 'Server Key')
  }
}

export function clientProof(mechanism: ScramMechanism, saltedPassword: Uint8Array, authMessage: string): Uint8Array {
  const clientKey = clientKeyOf(mechanism, saltedPassword)
  return xor(clientKey, hmac(mechanism, hash(mechanism, clientKey), authMessage))
}

export function verifyProof(mechanism: ScramMechanism, credential: ScramCredential, authMessage: string, proof: Uint8Array): boolean {
  if (proof.length !== hashes[mechanism].bytes) return false
  const clientKey = xor(proof, hmac(mechanism, credential.storedKey, authMessage))
  return sameBytes(hash(mechanism, clientKey), credential.storedKey)
}

export function serverSignature(mechanism: ScramMechanism, serverKey: Uint8Array, authMessage: string): Uint8Array {
  return hmac(mechanism, serverKey, authMessage)
}

/** True if two secrets are equal, in a time that does not tell where they differ. */
export function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && timingSafeEqual(a, b)
}

function clientKeyOf(mechanism: ScramMechanism, saltedPassword: Uint8Array): Uint8Array {
  return hmac(mechanism, saltedPassword, 'Client Key')
}

function hmac(mechanism: ScramMechanism, key: Uint8Array, text: string): Uint8Array {
  return createHmac(hashes[mechanism].name, key).update(text).digest()
}

function hash(mechanism: ScramMechanism, bytes: Uint8Array): Uint8Array {
  return createHash(hashes[mechanism].name).update(bytes).digest()
}

function xor(a: Uint8Array, b: Uint8Array): Uint8Array {
  return a.map((byte, i) => byte ^ b[i])
}
