import { readFileSync } from 'node:fs'
import type { ClusterClient } from '../cluster-client.js'
import { connect } from '../wire/connect.js'
import { type PasswordMechanism, passwordMechanisms } from '../wire/sasl/sasl-options.js'
import { type Invocation, type Option, UsageError } from './command.js'

/** The options of all commands that talk to a broker. */
export const remoteOptions: Readonly<Record<string, Option>> = {
  broker: { short: 'b', value: 'HOST:PORT', multiple: true, help: 'Where to connect; may be given more than once' },
  sasl: { value: 'USER:PASSWORD', help: 'As whom to connect' },
  mechanism: { value: 'NAME', help: 'PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. Default: PLAIN' },
  tls: { help: 'Connect with TLS' },
  ca: { value: 'FILE', help: 'Certificates, in PEM, of whom to trust with --tls' }
}

export function connectAsGiven(invocation: Invocation): Promise<ClusterClient> {
  const brokers = invocation.list('broker').flatMap(list => list.split(','))
  if (brokers.length === 0) throw new UsageError('--broker HOST:PORT is missing')
  const mechanism = (invocation.text('mechanism') ?? 'PLAIN') as PasswordMechanism
  if (!passwordMechanisms.includes(mechanism))
    throw new UsageError(`--mechanism is one of ${passwordMechanisms.join(', ')}, not '${mechanism}'`)
  const sasl = invocation.text('sasl')
  const ca = invocation.text('ca')
  return connect({
    brokers,
    clientId: 'millrace-cli',
    tls: ca ? { ca: readFileSync(ca) } : invocation.flag('tls'),
    ...(sasl && { sasl: { mechanism, ...userIn(sasl) } }),
    connectTimeoutMs: 5000,
    signal: invocation.signal
  })
}

/** Reads `user:password`; the password may hold colons. */
export function userIn(text: string): { readonly username: string; readonly password: string } {
  const colon = text.indexOf(':')
  if (colon < 1 || colon === text.length - 1) throw new UsageError(`--sasl takes user:password, not '${text}'`)
  return { username: text.slice(0, colon), password: text.slice(colon + 1) }
}

/**
 * Milliseconds that an interrupted command may still take to tell its group that it leaves, or to
 * deliver what was handed over.
 */
export const interruptMs = 1000

/** A person waits for the answer. */
export const adminTimeoutMs = 10_000
