import { ClusterClient } from '../cluster-client.js'
import { expectSignal, isPlainObject, shown } from '../common/options.js'
import { ApiVersions } from '../protocol/messages/api-versions.js'
import { type ConnectOptions, checkRemoteOptions } from './client-options.js'
import { RemoteBrokers } from './remote-brokers.js'

/**
 * Connects to a Kafka cluster elsewhere, or to a millrace that listens. Its producers, consumers
 * and admins are those of a cluster in this process.
 *
 * ```ts
 * await using cluster = await connect({ brokers: ['kafka-1:9092', 'kafka-2:9092'], tls: true, sasl: { mechanism: 'SCRAM-SHA-512', username, password } })
 * await using producer = cluster.producer()
 * ```
 *
 * Rejects with NETWORK_EXCEPTION when none of the brokers can be reached, and
 * SASL_AUTHENTICATION_FAILED when they do not let us in. Later failures are met by connecting
 * again. Kafka 3.0 and newer are spoken to.
 */
export async function connect(given: ConnectOptions): Promise<ClusterClient> {
  if (!isPlainObject(given))
    throw new TypeError(`Expected the options of connect to be an object, { brokers: ['host:port'] }, got ${shown(given)}`)
  const { signal, ...options } = given
  if (signal !== undefined) expectSignal('signal', signal)
  const checked = checkRemoteOptions(options)
  const opened = new Set<RemoteBrokers>()
  const brokersFor = (clientId: string) => {
    const options = { ...checked, clientId: clientId === defaultClientId ? checked.clientId : clientId }
    const brokers: RemoteBrokers = new RemoteBrokers(options, () => opened.delete(brokers))
    opened.add(brokers)
    return brokers
  }
  const close = async () => {
    for (const brokers of opened) await brokers.close()
  }
  try {
    await brokersFor(checked.clientId).any().request(ApiVersions, {}, signal)
  } catch (error) {
    await close()
    throw error
  }
  return new ClusterClient({ brokersFor, clock: checked.clock, random: checked.random, close })
}

/** The name of a client that has none of its own. */
const defaultClientId = 'millrace'
