import type { ReplayedRecord, StateRecord, TransactionEnd } from '../../common/state-machine.js'
import { zeroUuid } from '../../common/uuid.js'
import { type GroupMetadata, groupRecord, offsetRecord, readGroupRecord, type StoredOffset } from './group-records.js'
import { GroupTally } from './group-tally.js'
import { offsetKey, PendingOffsets } from './pending-offsets.js'

export type OffsetsByTopic = ReadonlyMap<string, ReadonlyMap<number, StoredOffset>>

/**
 * The persistent state of the groups in one partition of `__consumer_offsets`: the offsets that
 * they committed, and for each group the last generation whose assignment was stored. Nothing but
 * `replay` changes it.
 */
export class GroupStore {
  readonly #groups = new Map<string, GroupMetadata>()
  readonly #offsets = new Map<string, Map<string, Map<number, StoredOffset>>>()
  /** The same offsets by topic, then by group. */
  readonly #byTopic = new Map<string, Map<string, ReadonlyMap<number, StoredOffset>>>()
  /** The offsets of records that commit offsets within open transactions. */
  readonly #recordOffsets = new Map<string, number>()
  readonly #pending: PendingOffsets
  readonly #tally: GroupTally
  readonly #topicIdOf: (topic: string) => string | undefined

  constructor(tally = new GroupTally(), topicIdOf: (topic: string) => string | undefined = () => undefined) {
    this.#tally = tally
    this.#pending = new PendingOffsets(tally)
    this.#topicIdOf = topicIdOf
  }

  /** A group exists when it had members, or when somebody commits offsets in its name. */
  has(groupId: string): boolean {
    return this.#groups.has(groupId) || this.#offsets.has(groupId) || this.#pending.has(groupId)
  }

  *groupIds(): Generator<string> {
    yield* this.#groups.keys()
    for (const groupId of this.#offsets.keys()) if (!this.#groups.has(groupId)) yield groupId
    for (const groupId of this.#pending.groupIds()) if (!this.#groups.has(groupId) && !this.#offsets.has(groupId)) yield groupId
  }

  /**
   * True if transactions are undecided that commit offsets: of all groups, of one, or of a
   * partition.
   */
  hasPending(groupId?: string, topic?: string, partition = -1): boolean {
    if (groupId === undefined) return !this.#pending.isEmpty
    return topic === undefined ? this.#pending.has(groupId) : this.#pending.hasOffset(groupId, topic, partition)
  }

  group(groupId: string): GroupMetadata | undefined {
    return this.#groups.get(groupId)
  }

  offsets(groupId: string): OffsetsByTopic | undefined {
    return this.#offsets.get(groupId)
  }

  offset(groupId: string, topic: string, partition: number): StoredOffset | undefined {
    return this.#offsets.get(groupId)?.get(topic)?.get(partition)
  }

  /** The same, unless it was committed for another topic of this name, which was deleted. */
  currentOffset(groupId: string, topic: string, partition: number): StoredOffset | undefined {
    const committed = this.offset(groupId, topic, partition)
    return committed && this.#isCurrent(topic, committed) ? committed : undefined
  }

  currentTopics(groupId: string): string[] {
    return [...(this.#offsets.get(groupId)?.keys() ?? [])].filter(topic => this.currentPartitions(groupId, topic).length > 0)
  }

  currentPartitions(groupId: string, topic: string): number[] {
    const partitions = this.#offsets.get(groupId)?.get(topic) ?? []
    return Array.from(partitions).flatMap(([partition, committed]) => (this.#isCurrent(topic, committed) ? [partition] : []))
  }

  /** The groups that have committed an offset of a partition, with that offset. */
  *committedOffsets(topic: string, partition: number): Generator<[groupId: string, offset: number]> {
    for (const [groupId, partitions] of this.#byTopic.get(topic) ?? []) {
      const committed = partitions.get(partition)
      if (committed && this.#isCurrent(topic, committed)) yield [groupId, committed.offset]
    }
  }

  /**
   * The deletion of a topic drops its offsets, unless their log fails just then: those that are
   * left must not count for the next one.
   */
  #isCurrent(topic: string, { topicId }: StoredOffset): boolean {
    return topicId === zeroUuid || topicId === (this.#topicIdOf(topic) ?? topicId)
  }

  replay(record: StateRecord & Partial<ReplayedRecord>): void {
    const change = readGroupRecord(record)
    if (!change) return
    const { offset: recordOffset = -1, producerId } = record
    this.#counting(change.groupId, () => {
      const { groupId } = change
      if (change.type === 'group') {
        if (change.value) this.#groups.set(groupId, change.value)
        else this.#groups.delete(groupId)
        return
      }
      const { topic, partition, value } = change
      if (producerId !== undefined && value) return this.#pending.add(producerId, { groupId, topic, partition, recordOffset, value })
      if (!value) this.#pending.drop(groupId, topic, partition)
      else if (!this.#pending.isEmpty) this.#recordOffsets.set(offsetKey(groupId, topic, partition), recordOffset)
      this.#setOffset(groupId, topic, partition, value)
    })
  }

  /**
   * A transaction has ended: what it commits counts from now on, where no later record has
   * committed the same, or never.
   */
  replayEnd(producerId: number, type: TransactionEnd['type']): void {
    for (const pending of this.#pending.of(producerId)) {
      const { groupId, topic, partition, recordOffset, value } = pending
      const key = offsetKey(groupId, topic, partition)
      this.#counting(groupId, () => {
        this.#pending.settle(producerId, pending)
        if (type === 'ABORT' || (this.#recordOffsets.get(key) ?? -1) > recordOffset) return
        if (!this.#pending.isEmpty) this.#recordOffsets.set(key, recordOffset)
        this.#setOffset(groupId, topic, partition, value)
      })
    }
    if (this.#pending.isEmpty) this.#recordOffsets.clear()
  }

  #counting(groupId: string, change: () => void): void {
    const existed = this.has(groupId)
    change()
    const more = Number(this.has(groupId)) - Number(existed)
    this.#tally.add('groups', more)
    this.#tally.add('bytes', more * groupId.length)
  }

  /** Takes out of the tally what is in it, as it is no longer kept here. */
  unload(): void {
    for (const groupId of this.groupIds()) {
      this.#tally.add('groups', -1)
      this.#tally.add('bytes', -groupId.length)
      for (const topic of this.#offsets.get(groupId)?.keys() ?? []) this.#tally.add('bytes', -topic.length)
      for (const [, , { metadata }] of this.offsetsOf(groupId)) this.#count(-1, -metadata.length)
    }
    this.#pending.unload()
  }

  #count(offsets: number, bytes: number): void {
    this.#tally.add('offsets', offsets)
    this.#tally.add('bytes', bytes)
  }

  *snapshot(): Generator<StateRecord> {
    for (const [groupId, group] of this.#groups) yield groupRecord(groupId, group)
    for (const groupId of this.#offsets.keys()) {
      for (const [topic, partition, offset] of this.offsetsOf(groupId)) yield offsetRecord(groupId, topic, partition, offset)
    }
  }

  /** The offsets of a group, one by one. */
  *offsetsOf(groupId: string): Generator<[topic: string, partition: number, offset: StoredOffset]> {
    for (const [topic, partitions] of this.#offsets.get(groupId) ?? []) {
      for (const [partition, offset] of partitions) yield [topic, partition, offset]
    }
  }

  #setOffset(groupId: string, topic: string, partition: number, offset: StoredOffset | null): void {
    let topics = this.#offsets.get(groupId)
    let partitions = topics?.get(topic)
    if (offset) {
      if (!topics) this.#offsets.set(groupId, (topics = new Map()))
      if (!partitions) {
        topics.set(topic, (partitions = new Map()))
        this.#count(0, topic.length)
        const groups = this.#byTopic.get(topic)
        if (groups) groups.set(groupId, partitions)
        else this.#byTopic.set(topic, new Map([[groupId, partitions]]))
      }
      const before = partitions.get(partition)
      const topicId = this.#topicIdOf(topic)
      // All offsets of a topic share the text of its id.
      partitions.set(partition, topicId === offset.topicId ? { ...offset, topicId } : offset)
      this.#count(before ? 0 : 1, offset.metadata.length - (before?.metadata.length ?? 0))
    } else if (topics && partitions?.has(partition)) {
      this.#count(-1, -(partitions.get(partition)?.metadata.length ?? 0))
      partitions.delete(partition)
      if (partitions.size === 0) {
        topics.delete(topic)
        this.#count(0, -topic.length)
        this.#forgetTopic(groupId, topic)
      }
      if (topics.size === 0) this.#offsets.delete(groupId)
    }
  }

  #forgetTopic(groupId: string, topic: string): void {
    const groups = this.#byTopic.get(topic)
    groups?.delete(groupId)
    if (groups?.size === 0) this.#byTopic.delete(topic)
  }
}
