import type { StoredOffset } from './group-records.js'
import type { GroupTally } from './group-tally.js'

/** An offset that a transaction commits, and where its record stands in the log. */
export interface PendingOffset {
  readonly groupId: string
  readonly topic: string
  readonly partition: number
  readonly recordOffset: number
  readonly value: StoredOffset
}

/**
 * The offsets that transactions commit which are undecided, by producer. Nothing but the replay of
 * records changes them.
 */
export class PendingOffsets {
  readonly #byProducer = new Map<number, Map<string, PendingOffset>>()
  /** The number of pending offsets of each group. */
  readonly #byGroup = new Map<string, number>()
  readonly #tally: GroupTally

  constructor(tally: GroupTally) {
    this.#tally = tally
  }

  get isEmpty(): boolean {
    return this.#byProducer.size === 0
  }

  /** True if a group has some. */
  has(groupId: string): boolean {
    return this.#byGroup.has(groupId)
  }

  groupIds(): Iterable<string> {
    return this.#byGroup.keys()
  }

  /** True if a transaction is undecided that commits an offset of a partition. */
  hasOffset(groupId: string, topic: string, partition: number): boolean {
    if (!this.has(groupId)) return false
    const key = offsetKey(groupId, topic, partition)
    for (const offsets of this.#byProducer.values()) if (offsets.has(key)) return true
    return false
  }

  add(producerId: number, offset: PendingOffset): void {
    const key = offsetKey(offset.groupId, offset.topic, offset.partition)
    let offsets = this.#byProducer.get(producerId)
    if (!offsets) this.#byProducer.set(producerId, (offsets = new Map()))
    const before = offsets.get(key)
    if (before) this.#count(before, -1)
    offsets.set(key, offset)
    this.#count(offset, 1)
  }

  /** An offset was deleted: no transaction commits it any more. */
  drop(groupId: string, topic: string, partition: number): void {
    if (!this.has(groupId)) return
    const key = offsetKey(groupId, topic, partition)
    for (const [producerId, offsets] of this.#byProducer) {
      const offset = offsets.get(key)
      if (offset) this.settle(producerId, offset)
    }
  }

  /** The offsets that the transaction of a producer commits. */
  of(producerId: number): readonly PendingOffset[] {
    return [...(this.#byProducer.get(producerId)?.values() ?? [])]
  }

  /** Takes an offset out, as the transaction of the producer has ended. */
  settle(producerId: number, offset: PendingOffset): void {
    const offsets = this.#byProducer.get(producerId)
    if (!offsets?.delete(offsetKey(offset.groupId, offset.topic, offset.partition))) return
    this.#count(offset, -1)
    if (offsets.size === 0) this.#byProducer.delete(producerId)
  }

  /** Takes out of the tally what is in it, as it is no longer kept here. */
  unload(): void {
    for (const producerId of [...this.#byProducer.keys()]) for (const offset of this.of(producerId)) this.settle(producerId, offset)
  }

  #count({ groupId, topic, value }: PendingOffset, by: 1 | -1): void {
    const left = (this.#byGroup.get(groupId) ?? 0) + by
    if (left > 0) this.#byGroup.set(groupId, left)
    else this.#byGroup.delete(groupId)
    this.#tally.add('offsets', by)
    this.#tally.add('bytes', by * (topic.length + value.metadata.length))
  }
}

/** One text for a group and a partition. */
export function offsetKey(groupId: string, topic: string, partition: number): string {
  return `${partition}:${topic}:${groupId}`
}
