import { KafkaError } from '../errors.js'
import type { Broker, Brokers } from '../protocol/broker.js'
import type { Api, RequestOf, ResponseOf } from '../protocol/message.js'
import { type CheckedRemoteOptions, checkRemoteOptions, parseAddress, type RemoteBrokersOptions } from './client-options.js'
import type { Endpoint } from './endpoints.js'
import { shownEndpoint } from './network-failure.js'
import { RemoteBroker } from './remote-broker.js'

/**
 * The brokers of a cluster elsewhere, as the clients above the waist want them. Connects when
 * something is asked.
 */
export function remoteBrokers(options: RemoteBrokersOptions): RemoteBrokers {
  return new RemoteBrokers(checkRemoteOptions(options))
}

/** Made by {@link remoteBrokers}. */
export class RemoteBrokers implements Brokers {
  readonly #options: CheckedRemoteOptions
  readonly #bootstrap: readonly RemoteBroker[]
  readonly #byId = new Map<number, RemoteBroker>()
  readonly #onClosed: () => void
  #next = 0
  #closed = false

  /** @internal */
  constructor(options: CheckedRemoteOptions, onClosed: () => void = () => {}) {
    this.#options = options
    this.#onClosed = onClosed
    this.#bootstrap = options.brokers.map(address => new RemoteBroker(parseAddress(address), options))
  }

  any(): Broker {
    return { request: (api, body, signal) => this.#requestAny(api, body, signal) }
  }

  byId(nodeId: number): Broker | undefined {
    return this.#byId.get(nodeId)
  }

  learn(brokers: readonly { readonly nodeId: number; readonly host: string; readonly port: number }[]): void {
    if (this.#closed) return
    for (const { nodeId, host, port } of brokers) {
      if (nodeId < 0 || host === '' || port <= 0) continue
      const known = this.#byId.get(nodeId)
      if (known && sameEndpoint(known.endpoint, { host, port })) continue
      // Requests that wait for an answer from there may be sent again.
      known?.close(new KafkaError('NETWORK_EXCEPTION', `Node ${nodeId} has moved from ${shownEndpoint(known.endpoint)} to ${host}:${port}`))
      this.#byId.set(nodeId, new RemoteBroker({ host, port }, this.#options))
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    for (const broker of this.#all()) broker.close(closedError())
    this.#onClosed()
  }

  /**
   * Asks one broker after the other until one can be reached. Brokers that are connected come
   * first, the bootstrap addresses last.
   */
  async #requestAny<A extends Api>(api: A, body: RequestOf<A>, signal?: AbortSignal): Promise<ResponseOf<A>> {
    if (this.#closed) throw closedError()
    const failures: unknown[] = []
    for (const broker of this.#candidates()) {
      try {
        await broker.connect(signal)
      } catch (error) {
        if (signal?.aborted || this.#closed || !isUnreachable(error)) throw error
        failures.push(error)
        continue
      }
      return broker.request(api, body, signal)
    }
    const addresses = [...new Set(this.#all().map(({ endpoint }) => shownEndpoint(endpoint)))].join(', ')
    const [failure, ...others] = failures
    const why = failure instanceof Error && others.length === 0 ? ` (${failure.message})` : ''
    throw new KafkaError('NETWORK_EXCEPTION', `No broker can be reached: ${addresses}${why}`, { cause: failure })
  }

  #candidates(): RemoteBroker[] {
    const learnt = [...this.#byId.values()]
    const turn = this.#next++ % Math.max(1, learnt.length)
    const byTurn = [...learnt.slice(turn), ...learnt.slice(0, turn), ...this.#bootstrap]
    return [...byTurn.filter(broker => broker.isConnected), ...byTurn.filter(broker => !broker.isConnected)]
  }

  #all(): RemoteBroker[] {
    return [...this.#byId.values(), ...this.#bootstrap]
  }
}

function closedError(): KafkaError {
  return new KafkaError('CLOSED', 'The connection to the cluster is closed')
}

function isUnreachable(error: unknown): boolean {
  return error instanceof KafkaError && (error.code === 'NETWORK_EXCEPTION' || error.code === 'REQUEST_TIMED_OUT')
}

function sameEndpoint(a: Endpoint, b: Endpoint): boolean {
  return a.host === b.host && a.port === b.port
}
