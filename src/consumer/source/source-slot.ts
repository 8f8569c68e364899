import type { GroupMember } from '../group/group-member.js'
import type { PartitionSource } from './partition-source.js'

/**
 * The place of the source that a consumer has its partitions from. Another takes it once the one
 * before has given up all that it had.
 */
export class SourceSlot {
  /** The current source of partitions, which may be ending. */
  #current: PartitionSource | undefined
  #stopping: Promise<void> | undefined
  /** The source that replaces it then. */
  #next: PartitionSource | undefined
  #isStartWanted = false
  #isStarted = false

  /** The source that the user has asked for last; undefined after `unsubscribe`. */
  get wanted(): PartitionSource | undefined {
    return this.#stopping === undefined ? this.#current : this.#next
  }

  /** The membership in whose name offsets are committed. */
  get member(): GroupMember | undefined {
    return this.#current?.member
  }

  get isStartWanted(): boolean {
    return this.#isStartWanted
  }

  set(source: PartitionSource): void {
    if (this.#stopping === undefined) this.#takePlace(source)
    else this.#next = source
  }

  /** Has the source begin to bring partitions, now or as soon as there is one. */
  start(): void {
    this.#isStartWanted = true
    this.#startCurrent()
  }

  /** Has the source give up all partitions by calling `stop`. */
  async stop(stop: (source: PartitionSource) => Promise<void>): Promise<void> {
    this.#next = undefined
    this.#isStartWanted = false
    const current = this.#current
    if (current === undefined) return
    this.#stopping ??= stop(current).finally(() => {
      const next = this.#next
      this.#current = this.#next = this.#stopping = undefined
      this.#isStarted = false
      if (next) this.#takePlace(next)
    })
    await this.#stopping
  }

  #takePlace(source: PartitionSource): void {
    this.#current = source
    source.takePlace?.()
    this.#startCurrent()
  }

  #startCurrent(): void {
    if (!this.#isStartWanted || this.#isStarted || this.#stopping !== undefined || this.#current === undefined) return
    this.#isStarted = true
    this.#current.start()
  }
}
