import { connect as connectTcp, isIP, type Socket } from 'node:net'
import { connect as connectTls, type ConnectionOptions as NodeTlsOptions } from 'node:tls'
import type { Endpoint } from './endpoints.js'
import type { TlsOptions } from './tls-options.js'

/** A socket that begins to connect to a broker, with TLS or without. */
export function newSocket({ host, port }: Endpoint, tls: boolean | TlsOptions): Socket {
  if (!tls) return connectTcp({ host, port })
  const servername = isIP(host) ? {} : { servername: host }
  return connectTls({ host, port, ...servername, ...(tls === true ? {} : (tls as NodeTlsOptions)) })
}

/** Resolves when the socket is connected, and secure where it is to be. */
export function connected(socket: Socket, tls: boolean | TlsOptions): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (error: NodeJS.ErrnoException) => reject(tls && isNoTls(error) ? noTls(error) : error)
    socket.once(tls ? 'secureConnect' : 'connect', () => {
      socket.off('error', failed)
      resolve()
    })
    socket.once('error', failed)
    socket.once('close', () => reject(new Error('it was closed')))
  })
}

/** Recognizes an answer to a TLS handshake that is not TLS. */
function isNoTls({ code = '' }: NodeJS.ErrnoException): boolean {
  return code === 'ERR_SSL_WRONG_VERSION_NUMBER'
}

function noTls(cause: Error): Error {
  return new Error(`there was no TLS handshake (${cause.message}); the broker may not speak TLS on this port`, { cause })
}

/** True if these bytes are the complaint of a TLS server about a client that does not speak TLS. */
export function isTlsAlert(chunk: Uint8Array): boolean {
  return chunk[0] === 0x15 && chunk[1] === 0x03
}

/**
 * Words for a broker that closes a TLS connection before it answers. One that wants another client
 * certificate says so by an alert, in TLS 1.3 after the handshake; or it only closes the
 * connection, as brokers in Node do. Undefined for all other failures.
 */
export function tlsRefusal(error: unknown, tls: true | object, isConnected: boolean): string | undefined {
  const failure = error as { code?: string; cause?: { code?: string } }
  const { code = '' } = failure.code === 'NETWORK_EXCEPTION' ? (failure.cause ?? failure) : failure
  const alert = /ALERT_(.*CERTIFICATE.*|UNKNOWN_CA|ACCESS_DENIED|HANDSHAKE_FAILURE)$/.exec(code)?.[1]
  const isClosed = code === 'ECONNRESET' || code === 'EPIPE' || (isConnected && code === 'NETWORK_EXCEPTION')
  if (alert === undefined && !isClosed) return undefined
  const { cert, pfx } = tls as ListOfIdentities
  const isShown = cert !== undefined || pfx !== undefined
  const advice = isShown ? 'it may not trust our certificate' : 'it may ask for a certificate (`tls.cert` and `tls.key`)'
  if (alert !== undefined) return `the broker refused the TLS handshake (${alert.toLowerCase().replaceAll('_', ' ')}); ${advice}`
  return `the broker closed it before it answered; ${advice}${isConnected ? '' : ', or not speak TLS on this port'}`
}

interface ListOfIdentities {
  readonly cert?: unknown
  readonly pfx?: unknown
}
