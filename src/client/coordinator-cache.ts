import { KafkaError } from '../errors.js'
import type { Broker, Brokers } from '../protocol/broker.js'
import { FindCoordinator } from '../protocol/messages/find-coordinator.js'

const keyTypeGroup = 0

/** What one client knows about which broker coordinates which group. */
export class CoordinatorCache {
  readonly #brokers: Brokers
  readonly #nodeIds = new Map<string, number>()

  constructor(brokers: Brokers) {
    this.#brokers = brokers
  }

  /** The coordinator of a group; asks when it is not known. Rejects with COORDINATOR_NOT_AVAILABLE, …; try again when it is retriable. */
  async ofGroup(groupId: string, signal?: AbortSignal): Promise<Broker> {
    const nodeId = this.#nodeIds.get(groupId)
    const known = nodeId === undefined ? undefined : this.#brokers.byId(nodeId)
    return known ?? (await this.#find(groupId, signal))
  }

  /** Says that what is known proved wrong: a request was answered NOT_COORDINATOR, or not at all. */
  forget(groupId: string): void {
    this.#nodeIds.delete(groupId)
  }

  async #find(groupId: string, signal?: AbortSignal): Promise<Broker> {
    const response = await this.#brokers
      .any()
      .request(FindCoordinator, { key: groupId, keyType: keyTypeGroup, coordinatorKeys: [groupId] }, signal)
    // Before version 4 a response held one coordinator, and held it at the top.
    const found = response.coordinators?.find(({ key }) => key === groupId) ?? response
    if (found.errorCode) throw KafkaError.fromNumber(found.errorCode, found.errorMessage)
    const { nodeId = -1, host = '', port = -1 } = found
    this.#brokers.learn?.([{ nodeId, host, port }])
    const broker = this.#brokers.byId(nodeId)
    if (!broker) throw new KafkaError('COORDINATOR_NOT_AVAILABLE')
    if (this.#nodeIds.size >= mostGroups) this.#nodeIds.clear()
    this.#nodeIds.set(groupId, nodeId)
    return broker
  }
}

/** So many are remembered; then they are asked for anew. */
const mostGroups = 10_000
