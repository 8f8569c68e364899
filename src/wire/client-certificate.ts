import { ignoreRejection } from '../common/foreign.js'
import { shown } from '../common/options.js'
import { reasonOf } from '../common/warnings.js'
import { KafkaError } from '../errors.js'
import { subjectOf } from './distinguished-name.js'
import type { TlsOptions } from './tls-options.js'

/** The client certificate, as a socket of `node:tls` shows it. */
export interface ClientCertificate {
  /** In DER; undefined where the client showed none. */
  readonly raw: Uint8Array | undefined
  /** True if an authority that is trusted has signed it. */
  readonly isTrusted: boolean
  /** The reason why not. */
  readonly distrust: unknown
}

/**
 * True if clients have to show a certificate; undefined where their certificates say nothing about
 * who they are.
 */
export function clientAuthOf(tls: TlsOptions | undefined): 'requested' | 'required' | undefined {
  if (tls?.clientAuth !== undefined) return tls.clientAuth === 'none' ? undefined : tls.clientAuth
  return tls?.requestCert && tls.rejectUnauthorized !== false ? 'required' : undefined
}

/**
 * The options of `node:tls` behind those of a listener. It judges certificates by itself, so that
 * it can say what is wrong.
 */
export function serverTlsOptions({ clientAuth, userOfCertificate, ...tls }: TlsOptions): object {
  const isAsked = clientAuthOf({ ...tls, clientAuth }) !== undefined
  return isAsked ? { ...tls, requestCert: true, rejectUnauthorized: false } : tls
}

/**
 * The user that a certificate stands for; undefined where the client need not show one and did not.
 * Throws SASL_AUTHENTICATION_FAILED where the client is refused. `tell` is called where the user's
 * function went wrong.
 */
export function userOfCertificate(certificate: ClientCertificate, tls: TlsOptions, tell: (error: unknown) => void): string | undefined {
  const auth = clientAuthOf(tls)
  if (auth === undefined) return undefined
  if (certificate.raw === undefined) {
    if (auth === 'required') throw refused('The client showed no certificate, which this listener requires')
    return undefined
  }
  const subject = subjectOf(certificate.raw)
  const { isTrusted, distrust } = certificate
  if (!isTrusted) throw refused(`The certificate of the client, ${subject}, is not trusted: ${reasonOf(distrust)}`)
  const user = tls.userOfCertificate ? mapped(subject, certificate.raw, tls.userOfCertificate, tell) : subject
  if (user === undefined || user === '') throw refused(`The certificate of the client, ${subject}, stands for no user`)
  return user
}

function mapped(
  subject: string,
  raw: Uint8Array,
  userOf: NonNullable<TlsOptions['userOfCertificate']>,
  tell: (error: unknown) => void
): string | undefined {
  let user: unknown
  try {
    user = userOf(subject, raw)
    ignoreRejection(user)
    if (user !== undefined && typeof user !== 'string')
      throw new TypeError(`Expected \`tls.userOfCertificate\` to return the name of a user or undefined, got ${shown(user)}`)
  } catch (cause) {
    tell(cause)
    throw refused(`The certificate of the client, ${subject}, stands for no user: ${reasonOf(cause)}`, cause)
  }
  return user
}

function refused(reason: string, cause?: unknown): KafkaError {
  return new KafkaError('SASL_AUTHENTICATION_FAILED', reason, { cause })
}
