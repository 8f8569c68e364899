import { errorNumber, KafkaError } from '../../errors.js'
import type { Api, RequestOf, ResponseOf, VersionRange } from '../../protocol/message.js'
import { SaslAuthenticate } from '../../protocol/messages/sasl-authenticate.js'
import { SaslHandshake } from '../../protocol/messages/sasl-handshake.js'
import { commonVersion } from '../versions.js'
import { clientExchange } from './client-exchange.js'
import type { SaslClientOptions } from './sasl-options.js'

/** Sends a request in a given version. */
export type Ask = <A extends Api>(api: A, version: number, body: RequestOf<A>) => Promise<ResponseOf<A>>

/**
 * Proves to a broker who we are. `versions` are those of SaslAuthenticate that the broker serves.
 * Returns the milliseconds for which the proof holds, 0 for as long as the connection does.
 */
export async function authenticate(sasl: SaslClientOptions, versions: VersionRange | undefined, ask: Ask): Promise<number> {
  const handshake = await ask(SaslHandshake, 1, { mechanism: sasl.mechanism })
  if (handshake.errorCode !== 0) {
    const offered = `The broker offers ${handshake.mechanisms.join(', ') || 'no SASL mechanism'}`
    const wantsNone = handshake.errorCode === errorNumber('ILLEGAL_SASL_STATE')
    throw KafkaError.fromNumber(
      handshake.errorCode,
      wantsNone ? 'The broker asks for no credentials on this port: leave out `sasl`' : offered
    )
  }
  const exchange = clientExchange(sasl)
  const version = commonVersion(SaslAuthenticate, versions, {})
  let challenge: Uint8Array = new Uint8Array(0)
  let lifetimeMs = 0
  for (let authBytes = await exchange.next(challenge); authBytes; authBytes = await exchange.next(challenge)) {
    const answer = await ask(SaslAuthenticate, version, { authBytes })
    if (answer.errorCode !== 0) throw KafkaError.fromNumber(answer.errorCode, answer.errorMessage)
    challenge = answer.authBytes
    lifetimeMs = answer.sessionLifetimeMs ?? 0
  }
  return lifetimeMs
}
