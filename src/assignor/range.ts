import { grouped } from '../common/grouped.js'
import {
  type Assignor,
  type AssignorMember,
  compareMembers,
  compareText,
  expectAssignArguments,
  subscribedTopics,
  type TopicPartition,
  type TopicShape
} from './assignor.js'
import { rackSets, racksMatter } from './racks.js'

/**
 * Splits each topic on its own into one contiguous range per subscriber; the first
 * `partitions % subscribers` members get one more. Topics with the same number of partitions fall
 * alike, so a member can join them partition by partition. Java's `RangeAssignor`, rack awareness
 * (KIP-881) included.
 */
export const rangeAssignor: Assignor = {
  name: 'range',
  cooperative: false,
  assign(topics, members) {
    expectAssignArguments(topics, members)
    const assignment = new Map<string, TopicPartition[]>()
    for (const member of members) assignment.set(member.memberId, [])
    const splits = subscribedTopics(topics, members).map(([topic, shape]) => new TopicSplit(topic, shape, members, assignment))
    const rackAware = splits.some(split => split.rackAware)
    if (rackAware) matchRacks(splits)
    for (const split of splits) split.assignRanges(() => true)
    if (rackAware) for (const partitions of assignment.values()) partitions.sort(compareTopicPartitions)
    return assignment
  }
}

function compareTopicPartitions(a: TopicPartition, b: TopicPartition): number {
  return compareText(a.topic, b.topic) || a.partition - b.partition
}

/**
 * Places what can be read in the reader's own rack; topics of one shape and one set of readers move
 * in step.
 */
function matchRacks(splits: readonly TopicSplit[]): void {
  const likenessOf = ({ knownRacks, members }: TopicSplit) =>
    JSON.stringify([knownRacks, ...members.map(({ memberId, rackId }) => [memberId, rackId])])
  for (const group of grouped(splits, likenessOf).values()) {
    if (group.length > 1) matchRacksInStep(group)
    else if (group[0].rackAware) group[0].assignRanges((member, partition) => group[0].racksMatch(member, partition))
  }
}

function matchRacksInStep(group: readonly TopicSplit[]): void {
  const remaining = new Set(group[0].members)
  for (let partition = 0; partition < group[0].knownRacks && remaining.size > 0; partition++) {
    for (const member of remaining) {
      if (!group.every(split => split.racksMatch(member, partition) && split.roomOf(member) > 0)) continue
      for (const split of group) split.assign(member, [partition])
      if (!group.some(split => split.roomOf(member) > 0)) remaining.delete(member)
      break
    }
  }
}

/** One topic on its way to being split among its subscribers. */
class TopicSplit {
  readonly members: readonly AssignorMember[]
  readonly rackAware: boolean
  /**
   * The number of partitions that have known racks: all, or none when no subscriber says where it
   * runs.
   */
  readonly knownRacks: number
  readonly #topic: string
  readonly #racks: readonly ReadonlySet<string>[]
  readonly #assignment: Map<string, TopicPartition[]>
  readonly #unassigned: Set<number>
  readonly #counts = new Map<AssignorMember, number>()
  readonly #quota: number
  #extras: number

  constructor(topic: string, shape: TopicShape, members: readonly AssignorMember[], assignment: Map<string, TopicPartition[]>) {
    this.#topic = topic
    this.#assignment = assignment
    this.members = members.filter(member => member.topics.includes(topic)).sort(compareMembers)
    this.#unassigned = new Set(Array.from({ length: shape.partitionCount }, (_, partition) => partition))
    this.#quota = Math.floor(shape.partitionCount / this.members.length)
    this.#extras = shape.partitionCount % this.members.length
    const memberRacks = new Set<string>()
    for (const member of this.members) if (member.rackId) memberRacks.add(member.rackId)
    this.#racks = memberRacks.size > 0 ? rackSets(shape.partitionCount, shape.racks) : []
    this.knownRacks = this.#racks.length
    this.rackAware = racksMatter(memberRacks, this.#racks)
  }

  /** The number of partitions that the member may still get. */
  roomOf(member: AssignorMember): number {
    return Math.max(0, this.#quota + (this.#extras > 0 ? 1 : 0) - (this.#counts.get(member) ?? 0))
  }

  racksMatch(member: AssignorMember, partition: number): boolean {
    return !member.rackId || this.#racks[partition]?.has(member.rackId) === true
  }

  assignRanges(mayAssign: (member: AssignorMember, partition: number) => boolean): void {
    for (const member of this.members) {
      const room = this.roomOf(member)
      const partitions: number[] = []
      for (const partition of this.#unassigned) {
        if (partitions.length === room) break
        if (mayAssign(member, partition)) partitions.push(partition)
      }
      if (partitions.length > 0) this.assign(member, partitions)
    }
  }

  assign(member: AssignorMember, partitions: readonly number[]): void {
    const assigned = this.#assignment.get(member.memberId)!
    for (const partition of partitions) {
      assigned.push({ topic: this.#topic, partition })
      this.#unassigned.delete(partition)
    }
    const count = (this.#counts.get(member) ?? 0) + partitions.length
    this.#counts.set(member, count)
    if (count > this.#quota) this.#extras--
  }
}
