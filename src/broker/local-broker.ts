import { type CloseOptions, closeTimeoutMs, endOf } from '../common/closing.js'
import type { Emitter } from '../common/emitter.js'
import { release } from '../common/lease.js'
import type { MemoryShares } from '../common/memory-shares.js'
import { expectInteger, expectKnownKeys, expectString } from '../common/options.js'
import { KafkaError } from '../errors.js'
import type { ScramCredentialState } from '../metadata/scram-state.js'
import type { ConnectionQuotas, MeteredBroker } from '../protocol/quotas.js'
import type { BrokerEvents } from './events.js'
import type { LocalBrokerOptions } from './local-broker-options.js'
import type { LocalNode } from './local-node.js'
import { openNode } from './node-opening.js'
import { backlogOf } from './partition.js'
import { type ClientIdentity, entryFor } from './request-entry.js'
import type { Topic } from './topic.js'

/** The node behind a broker, for who puts a cluster together. */
export let nodeOf: (broker: LocalBroker) => LocalNode

/**
 * One node of a cluster, in this process: its topics with their logs, and the answers to all that
 * clients ask.
 */
export class LocalBroker {
  readonly #node: LocalNode
  #closing: Promise<void> | undefined

  static {
    nodeOf = broker => broker.#node
  }

  private constructor(node: LocalNode) {
    this.#node = node
  }

  /** Opens what the storage holds, or starts anew in an empty one. */
  static async open(options: LocalBrokerOptions): Promise<LocalBroker> {
    expectKnownKeys('a broker', options, ['storage', 'clock', 'random', 'nodeId', 'configs', 'maxMemoryBytes'])
    return new LocalBroker(await openNode(options))
  }

  get nodeId(): number {
    return this.#node.nodeId
  }

  get clusterId(): string {
    return this.#node.clusterId
  }

  get events(): Emitter<BrokerEvents> {
    return this.#node.events
  }

  /** The topics of this node, by name, with their partitions and logs. */
  get topics(): ReadonlyMap<string, Topic> {
    return this.#node.topics
  }

  /** Counts the connections of clients that are not in this process, for listeners. */
  get quotas(): ConnectionQuotas {
    return this.#node.quotas
  }

  /** @internal */
  get memoryShares(): MemoryShares {
    return this.#node.memoryShares
  }

  /**
   * The address at which clients elsewhere find this node, as Metadata tells it; set by a listener.
   */
  get endpoint(): { readonly host: string; readonly port: number } {
    return this.#node.endpoint
  }

  advertise(host: string, port: number): void {
    expectString('host', host)
    expectInteger('port', port, 0, 65535)
    this.#node.endpoint = { host, port }
  }

  /** The waist, for one client. */
  connect(client: ClientIdentity): MeteredBroker {
    return entryFor(this.#node, client)
  }

  /**
   * The credentials of a user that clients made, by Kafka's numbers of the mechanisms; for
   * listeners.
   */
  scramCredentials(user: string): ReadonlyMap<number, ScramCredentialState> | undefined {
    return this.#node.metadata.scramCredentials.get(user)
  }

  /** The names of the users whom clients made. */
  scramUsers(): Iterable<string> {
    return this.#node.metadata.scramCredentials.keys()
  }

  /** The reason why batches for a partition are held back at present; undefined when none are. */
  heldBecause(topic: string, partition: number): string | undefined {
    const found = this.#node.topics.get(topic)?.partitions[partition]
    return found && this.#node.backlog.reasonFor(backlogOf(found))
  }

  /**
   * The damage that stands at an offset of a partition, with file and position; undefined where
   * there is none.
   */
  async damageAt(topic: string, partition: number, offset: number): Promise<KafkaError | undefined> {
    try {
      const bytes = await this.#node.topics.get(topic)?.partitions[partition]?.log.read(offset, 1, { checkCrcs: true })
      if (bytes) release(bytes)
      return undefined
    } catch (error) {
      return error instanceof KafkaError && error.file !== undefined ? error : undefined
    }
  }

  /**
   * Removes what retention no longer keeps, compacts what is due and writes the checkpoints, now;
   * all also happen by themselves, every `log.retention.check.interval.ms`,
   * `log.cleaner.backoff.ms` and 60 seconds.
   */
  housekeeping(): Promise<void> {
    return this.#node.housekeeping()
  }

  /**
   * Ends all waiting requests with CLOSED, lets what is being written be written, and closes the
   * logs. Idempotent. Rejects with REQUEST_TIMED_OUT when the storage takes longer than
   * `timeoutMs`.
   */
  async close(options: CloseOptions = {}): Promise<void> {
    const timeoutMs = closeTimeoutMs(options)
    this.#closing ??= this.#node.close()
    await endOf(this.#closing, this.#node.clock, timeoutMs, 'The node')
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
