import { expectFunction, expectOneOf, isPlainObject, shown } from '../common/options.js'

type Pem = string | Uint8Array
type Many<T> = T | readonly T[]

/**
 * TLS options, by the names of `node:tls`, for a listener and for a client. All are optional;
 * Node's documentation describes each. Declared here, so that the types need no `@types/node`.
 */
export interface TlsOptions {
  /**
   * The private key. A listener needs it, as it needs `cert`; a client only where the server asks.
   */
  readonly key?: Many<Pem | { readonly pem: Pem; readonly passphrase?: string | undefined }> | undefined
  /** The certificate chain that belongs to `key`. */
  readonly cert?: Many<Pem> | undefined
  /** Certificates to trust. Default: those that Node comes with. */
  readonly ca?: Many<Pem> | undefined
  /** `key` and `cert` in one PKCS 12 file. */
  readonly pfx?: Many<Pem | { readonly buf: Pem; readonly passphrase?: string | undefined }> | undefined
  readonly passphrase?: string | undefined
  /**
   * Listener: whether clients have to show a certificate that one of `ca` has signed, as Kafka's
   * `ssl.client.auth`. Without `sasl`, its subject is the user, `User:CN=ann,O=Acme`.
   * `'requested'`: who shows none is `User:ANONYMOUS`. Default: `'required'` with `requestCert`,
   * else `'none'`.
   */
  readonly clientAuth?: 'none' | 'requested' | 'required' | undefined
  /**
   * Listener: the user for whom a trusted certificate stands, given its subject as Kafka writes it,
   * `CN=ann,O=Acme`, and the certificate in DER: `subject => /^CN=([^,]+)/.exec(subject)?.[1]`.
   * `undefined` refuses the client, as does throwing, which the listener emits as `error`. Default:
   * the subject.
   */
  readonly userOfCertificate?: ((subject: string, certificate: Uint8Array) => string | undefined) | undefined
  /** Listener: asks clients for a certificate; see `clientAuth`. Default: `false`. */
  readonly requestCert?: boolean | undefined
  /** Refuses a peer whose certificate no trusted authority has signed. Default: `true`. */
  readonly rejectUnauthorized?: boolean | undefined
  /**
   * Client: the name that the server's certificate must have. Default: the host that it connects
   * to.
   */
  readonly servername?: string | undefined
  // biome-ignore lint/suspicious/noExplicitAny: the certificate is an object of Node's own type
  readonly checkServerIdentity?: ((hostname: string, certificate: any) => Error | undefined) | undefined
  // biome-ignore lint/suspicious/noExplicitAny: the context is an object of Node's own type
  readonly SNICallback?: ((servername: string, callback: (error: Error | null, context?: any) => void) => void) | undefined
  readonly secureContext?: object | undefined
  readonly minVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' | undefined
  readonly maxVersion?: 'TLSv1' | 'TLSv1.1' | 'TLSv1.2' | 'TLSv1.3' | undefined
  readonly ciphers?: string | undefined
  readonly honorCipherOrder?: boolean | undefined
  readonly ecdhCurve?: string | undefined
  readonly sigalgs?: string | undefined
  readonly dhparam?: Pem | undefined
  readonly crl?: Many<Pem> | undefined
  readonly secureOptions?: number | undefined
  readonly sessionIdContext?: string | undefined
  readonly sessionTimeout?: number | undefined
  /** Listener: milliseconds that a handshake may take. Default: `stallTimeoutMs`. */
  readonly handshakeTimeout?: number | undefined
}

/** Checks that TLS is asked for as a whole; what stands in the options is checked by Node. */
export function expectTls(tls: unknown): void {
  if (typeof tls === 'boolean' || isPlainObject(tls)) return
  throw new TypeError(`Expected \`tls\` to be a boolean or an object of TLS options, got ${shown(tls)}`)
}

/** Checks how a listener asks clients for certificates. */
export function expectClientAuth(tls: TlsOptions): void {
  const { clientAuth, userOfCertificate } = tls
  if (clientAuth !== undefined) expectOneOf('tls.clientAuth', clientAuth, ['none', 'requested', 'required'])
  if (userOfCertificate !== undefined) expectFunction('tls.userOfCertificate', userOfCertificate)
  if (clientAuth !== undefined && tls.requestCert !== undefined)
    throw new TypeError('Expected either `tls.clientAuth` or `tls.requestCert`, got both')
  if (clientAuth === undefined || clientAuth === 'none') return
  if (!authorities.some(name => tls[name] !== undefined))
    throw new TypeError('Expected `tls.ca` beside `tls.clientAuth`: without it, whoever has a certificate of any public authority comes in')
}

const authorities = ['ca', 'pfx', 'SNICallback', 'secureContext'] as const
