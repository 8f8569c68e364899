import { KafkaError } from '../errors.js'
import type { Endpoint } from './endpoints.js'

/** The error of a connection that cannot be used any more. */
export function networkFailure(endpoint: Endpoint, what: string, cause?: unknown): KafkaError {
  return new KafkaError('NETWORK_EXCEPTION', `The connection to ${shownEndpoint(endpoint)} failed: ${what}`, { cause })
}

/** An address as messages show it. */
export function shownEndpoint({ host, port }: Endpoint): string {
  return `${host}:${port}`
}
