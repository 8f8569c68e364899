import { type AssignorMember, subscribedTopics, type TopicPartition, type TopicShape } from './assignor.js'
import { rackSets, racksMatter } from './racks.js'

/**
 * The subscribed partitions, numbered 0 to `size - 1` by topic name and partition, and the members
 * by id: the sticky algorithms work on these numbers instead of on names.
 */
export class PartitionTable {
  readonly members: readonly AssignorMember[]
  readonly topicNames: readonly string[]
  readonly size: number
  /** The topic, by number, of each partition. */
  readonly topicOf: Int32Array
  /** The first partition of each topic, and `size` at the end. */
  readonly starts: readonly number[]
  readonly racks: RackTable | null
  readonly #topicNumbers = new Map<string, number>()

  constructor(topics: ReadonlyMap<string, TopicShape>, members: readonly AssignorMember[]) {
    this.members = [...members].sort((a, b) => (a.memberId < b.memberId ? -1 : 1))
    const subscribed = subscribedTopics(topics, members)
    this.topicNames = subscribed.map(([name]) => name)
    const starts = [0]
    for (const [name, { partitionCount }] of subscribed) {
      this.#topicNumbers.set(name, starts.length - 1)
      starts.push(starts[starts.length - 1] + partitionCount)
    }
    this.starts = starts
    this.size = starts[starts.length - 1]
    this.topicOf = new Int32Array(this.size)
    for (let topic = 0; topic < subscribed.length; topic++) this.topicOf.fill(topic, starts[topic], starts[topic + 1])
    this.racks = rackTable(
      this.members,
      subscribed.map(([, shape]) => shape)
    )
  }

  topicNumber(name: string): number | undefined {
    return this.#topicNumbers.get(name)
  }

  /** The number of a partition, or -1 when it does not exist or nobody subscribes to it. */
  numberOf({ topic, partition }: TopicPartition): number {
    const topicNumber = this.#topicNumbers.get(topic)
    if (topicNumber === undefined || partition < 0) return -1
    const number = this.starts[topicNumber] + partition
    return number < this.starts[topicNumber + 1] ? number : -1
  }

  partitionOf(number: number): number {
    return number - this.starts[this.topicOf[number]]
  }

  at(number: number): TopicPartition {
    return { topic: this.topicNames[this.topicOf[number]], partition: this.partitionOf(number) }
  }
}

/**
 * The members that can read each partition without leaving their rack; only made where that
 * matters.
 */
export interface RackTable {
  /** The member's rack, or `null` when it did not say. */
  readonly ofMember: readonly (string | null)[]
  readonly ofPartition: readonly ReadonlySet<string>[]
  /** For each partition the number of members that share a rack with a replica. */
  readonly readerCounts: readonly number[]
}

/** True if the member says where it runs and no replica of the partition is there. */
export function rackMismatch(racks: RackTable | null, member: number, partition: number): boolean {
  const rack = racks?.ofMember[member]
  return rack ? !racks!.ofPartition[partition].has(rack) : false
}

function rackTable(members: readonly AssignorMember[], shapes: readonly TopicShape[]): RackTable | null {
  const memberCounts = new Map<string, number>()
  for (const { rackId } of members) if (rackId) memberCounts.set(rackId, (memberCounts.get(rackId) ?? 0) + 1)
  if (memberCounts.size === 0) return null
  const ofPartition = shapes.flatMap(shape => rackSets(shape.partitionCount, shape.racks))
  if (!racksMatter(new Set(memberCounts.keys()), ofPartition)) return null
  const readerCounts = ofPartition.map(racks => {
    let count = 0
    for (const rack of racks) count += memberCounts.get(rack) ?? 0
    return count
  })
  return { ofMember: members.map(member => member.rackId || null), ofPartition, readerCounts }
}
