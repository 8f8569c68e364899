import { abortable } from '../common/deferred.js'
import { KafkaError } from '../errors.js'
import type { Broker, Brokers } from '../protocol/broker.js'
import { FindCoordinator } from '../protocol/messages/find-coordinator.js'
import { addressesOf, type BrokerAddresses } from './broker-addresses.js'

const keyTypeGroup = 0
const keyTypeTransaction = 1
const noNode = -1

interface Known {
  /** -1 where what was known proved wrong. */
  readonly nodeId: number
  /**
   * The question that this answers, or the last one that was asked before it proved wrong: answers
   * to earlier ones count for nothing.
   */
  readonly number: number
}

/** The coordinators of groups, as one client knows them. */
export class CoordinatorCache {
  readonly #brokers: Brokers
  readonly #addresses: BrokerAddresses
  readonly #known = new Map<string, Known>()
  #askedCount = 0

  constructor(brokers: Brokers) {
    this.#brokers = brokers
    this.#addresses = addressesOf(brokers)
  }

  /**
   * The coordinator of a group; asks when it is not known. Rejects with COORDINATOR_NOT_AVAILABLE,
   * …; try again when it is retriable.
   */
  ofGroup(groupId: string, signal?: AbortSignal): Promise<Broker> {
    return this.#coordinatorOf(keyTypeGroup, groupId, signal)
  }

  /** The coordinator of a transactional id. */
  ofTransaction(transactionalId: string, signal?: AbortSignal): Promise<Broker> {
    return this.#coordinatorOf(keyTypeTransaction, transactionalId, signal)
  }

  /**
   * Says that what is known proved wrong: a request was answered NOT_COORDINATOR, or not at all.
   */
  forget(groupId: string): void {
    this.#forget(nameOf(keyTypeGroup, groupId))
  }

  forgetTransaction(transactionalId: string): void {
    this.#forget(nameOf(keyTypeTransaction, transactionalId))
  }

  #forget(name: string): void {
    // Of the answers that are under way, none is newer than what proved wrong.
    if (this.#known.has(name)) this.#known.set(name, { nodeId: noNode, number: this.#askedCount })
  }

  async #coordinatorOf(keyType: number, id: string, signal?: AbortSignal): Promise<Broker> {
    const nodeId = this.#known.get(nameOf(keyType, id))?.nodeId ?? noNode
    const known = nodeId === noNode ? undefined : this.#brokers.byId(nodeId)
    return known ?? (await this.#find(keyType, id, signal))
  }

  async #find(keyType: number, id: string, signal?: AbortSignal): Promise<Broker> {
    const name = nameOf(keyType, id)
    const number = ++this.#askedCount
    const question = this.#addresses.ask()
    const asked = this.#brokers.any().request(FindCoordinator, { key: id, keyType, coordinatorKeys: [id] }, signal)
    const response = await abortable(Promise.resolve(asked), signal)
    // Before version 4 a response held one coordinator, and held it at the top.
    const found = response.coordinators?.find(({ key }) => key === id) ?? response
    if (found.errorCode) throw KafkaError.fromNumber(found.errorCode, found.errorMessage)
    const { nodeId = -1, host = '', port = -1 } = found
    this.#addresses.told(question, [{ nodeId, host, port }])
    const broker = this.#brokers.byId(nodeId)
    if (!broker) throw new KafkaError('COORDINATOR_NOT_AVAILABLE')
    if (this.#known.size >= mostGroups) this.#known.clear()
    if (number > (this.#known.get(name)?.number ?? 0)) this.#known.set(name, { nodeId, number })
    return broker
  }
}

/** Ids of groups and of transactions may be the same. */
function nameOf(keyType: number, id: string): string {
  return keyType === keyTypeGroup ? id : `\u0000${id}`
}

/** The most groups that are remembered; others are looked up anew. */
const mostGroups = 10_000
