import type { TopicPartition } from '../../assignor/assignor.js'
import type { Handover } from './handover.js'
import type { PartitionSource } from './partition-source.js'

/** Just the partitions that the user lists. */
export class ManualSource implements PartitionSource {
  readonly #handover: Handover
  #partitions: readonly TopicPartition[] = []
  #hasPlace = false
  #isStarted = false

  constructor(handover: Handover) {
    this.#handover = handover
  }

  /**
   * Reads just these partitions from now on. Those that were listed before keep their positions.
   */
  assign(partitions: readonly TopicPartition[]): void {
    this.#partitions = partitions
    if (this.#hasPlace) this.#handover.replace(partitions)
    if (this.#isStarted) this.#handover.positionAll()
  }

  takePlace(): void {
    this.#hasPlace = true
    this.#handover.replace(this.#partitions)
  }

  start(): void {
    this.#isStarted = true
    this.#handover.positionAll()
  }

  subscriptionChanged(): void {}

  async stop(timeoutMs: number | undefined): Promise<void> {
    await this.#handover.holdBackAll(timeoutMs)
    this.#handover.removeAll()
  }
}
