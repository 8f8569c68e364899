import type { TopicPartition } from '../../assignor/assignor.js'
import type { AssignedPartition } from '../assigned-partition.js'

/** The number of partitions that are checked without a yield. */
const mostLookedAt = 64

/**
 * The partitions that a consumer reads at present, and which of them have something to hand out.
 */
export class Assignment implements Iterable<AssignedPartition> {
  readonly #partitions = new Set<AssignedPartition>()
  /** By topic, then by number. */
  readonly #byTopic = new Map<string, (AssignedPartition | undefined)[]>()
  /** In the order in which they were fetched; may hold partitions that have nothing any more. */
  #ready: AssignedPartition[] = []
  /** Called when the reader asks for more than stands in line. */
  onDrained: () => void = () => {}
  /** Called when a partition has come, and returns what is called when it goes. */
  onAdded: (partition: AssignedPartition) => (() => void) | undefined = () => undefined
  readonly #onRemoved = new Map<AssignedPartition, () => void>()

  get size(): number {
    return this.#partitions.size
  }

  [Symbol.iterator](): Iterator<AssignedPartition> {
    return this.#partitions.values()
  }

  get(topic: string, partition: number): AssignedPartition | undefined {
    return this.#byTopic.get(topic)?.[partition]
  }

  has(partition: AssignedPartition): boolean {
    return this.#partitions.has(partition)
  }

  add(partition: AssignedPartition): void {
    const { topic } = partition
    let partitions = this.#byTopic.get(topic)
    if (!partitions) this.#byTopic.set(topic, (partitions = []))
    const before = partitions[partition.partition]
    if (before) this.#forget(before)
    partitions[partition.partition] = partition
    this.#partitions.add(partition)
    const onRemoved = this.onAdded(partition)
    if (onRemoved) this.#onRemoved.set(partition, onRemoved)
  }

  remove(partition: AssignedPartition): void {
    if (!this.#forget(partition)) return
    const partitions = this.#byTopic.get(partition.topic) as (AssignedPartition | undefined)[]
    partitions[partition.partition] = undefined
    while (partitions.length > 0 && partitions[partitions.length - 1] === undefined) partitions.pop()
    if (partitions.length === 0) this.#byTopic.delete(partition.topic)
    partition.discard()
    if (this.size === 0) this.#ready = []
  }

  #forget(partition: AssignedPartition): boolean {
    this.#onRemoved.get(partition)?.()
    this.#onRemoved.delete(partition)
    return this.#partitions.delete(partition)
  }

  /**
   * The ones that are meant, all of them when none are named. Throws a `TypeError` for one that is
   * not assigned.
   */
  select(partitions?: readonly TopicPartition[]): AssignedPartition[] {
    if (partitions === undefined) return [...this]
    return partitions.map(({ topic, partition }) => {
      const found = this.get(topic, partition)
      if (!found) throw new TypeError(`Expected a partition that is assigned to this consumer, got ${topic}-${partition}`)
      return found
    })
  }

  /** True if partitions of this topic are read. */
  includes(topic: string): boolean {
    return this.#byTopic.has(topic)
  }

  /**
   * About how many bytes there are to read; of many partitions only those that come next are looked
   * at.
   */
  unreadBytes(logEndOffset: (topic: string, partition: number) => number | undefined): number {
    let bytes = 0
    const partitions = this.size > mostLookedAt ? this.#ready.slice(0, mostLookedAt) : this.#partitions
    for (const partition of partitions) bytes += partition.unreadBytes(logEndOffset(partition.topic, partition.partition))
    return bytes
  }

  /** Says that a partition has something to hand out. */
  ready(partition: AssignedPartition): void {
    this.#ready.push(partition)
  }

  /** The number of partitions in line. */
  get readyCount(): number {
    return this.#ready.length
  }

  /**
   * The next partition with something to hand out, in turn; it stands in line again after another
   * `ready`.
   */
  nextReady(): AssignedPartition | undefined {
    for (;;) {
      const partition = this.#ready.shift()
      if (partition === undefined) {
        this.onDrained()
        return undefined
      }
      if (partition.isReady && partition.isFlowing && this.has(partition)) return partition
    }
  }

  toArray(): TopicPartition[] {
    return named(this)
  }
}

/** Just the names of partitions, for users. */
export function named(partitions: Iterable<TopicPartition>): TopicPartition[] {
  return Array.from(partitions, ({ topic, partition }) => ({ topic, partition }))
}
