import { expectList, expectString, shown } from '../common/options.js'

/** One partition of one topic. */
export interface TopicPartition {
  readonly topic: string
  readonly partition: number
}

/**
 * One member of the group, as an assignor sees it: its subscription, as it arrived in JoinGroup.
 */
export interface AssignorMember {
  readonly memberId: string
  /** The member's lasting name (`group.instance.id`, KIP-345). Default: none, a dynamic member. */
  readonly groupInstanceId?: string | null
  readonly topics: readonly string[]
  /**
   * The partitions that the member held when it joined. Only cooperative members still hold
   * anything then. Default: nothing.
   */
  readonly ownedPartitions?: readonly TopicPartition[]
  /** The generation in which it held them; negative or absent when the member did not say. */
  readonly generationId?: number
  /** The rack in which the member runs (KIP-881). Default: unknown. */
  readonly rackId?: string | null
  /** Bytes that the member's assignor attached to its subscription. Default: none. */
  readonly userData?: Uint8Array | null
}

/** One topic, as an assignor sees it. */
export interface TopicShape {
  readonly partitionCount: number
  /** For each partition the racks that its replicas stand in. Default: unknown. */
  readonly racks?: readonly (readonly string[])[]
}

/**
 * Decides, in the member that leads a group, who reads which partitions. Pure: the same topics and
 * members give the same answer. Its `name` is what members agree on in JoinGroup, so members with
 * the same assignor in another language can share the group.
 */
export interface Assignor {
  readonly name: string
  /**
   * True if members may go on reading during a rebalance and give up only what moves (KIP-429). A
   * group is cooperative when every assignor that a member lists is.
   */
  readonly cooperative: boolean
  /**
   * The bytes that a member attaches to its next subscription, given what it was last assigned
   * (`null`: nothing yet) and in which generation.
   */
  userData?(assigned: readonly TopicPartition[] | null, generationId: number): Uint8Array | null
  /**
   * Each member's partitions; every member has an entry. Topics that are not in `topics` are left
   * out.
   */
  assign(topics: ReadonlyMap<string, TopicShape>, members: readonly AssignorMember[]): Map<string, TopicPartition[]>
}

/** Checks what an assignor is called with. */
export function expectAssignArguments(topics: ReadonlyMap<string, TopicShape>, members: readonly AssignorMember[]): void {
  if (typeof topics?.get !== 'function') throw new TypeError(`Expected \`topics\` to be a Map of topics by name, got ${shown(topics)}`)
  expectList('members', members, 'members')
  for (const member of members) {
    expectString('members[].memberId', member?.memberId)
    expectList('members[].topics', member.topics, 'topic names')
  }
}

/** Texts in the order of their UTF-16 units, which is how Java compares strings. */
export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

/**
 * Static members first, by instance id; then dynamic ones, by member id: so a static member keeps
 * its place over restarts.
 */
export function compareMembers(a: AssignorMember, b: AssignorMember): number {
  const instanceA = a.groupInstanceId ?? null
  const instanceB = b.groupInstanceId ?? null
  if (instanceA !== null && instanceB !== null) return compareText(instanceA, instanceB)
  if (instanceA !== null) return -1
  if (instanceB !== null) return 1
  return compareText(a.memberId, b.memberId)
}

/** The topics that somebody subscribes to and that exist with at least one partition, by name. */
export function subscribedTopics(topics: ReadonlyMap<string, TopicShape>, members: readonly AssignorMember[]): [string, TopicShape][] {
  const names = new Set<string>()
  for (const member of members) for (const topic of member.topics) names.add(topic)
  const found: [string, TopicShape][] = []
  for (const name of [...names].sort(compareText)) {
    const shape = topics.get(name)
    if (shape && shape.partitionCount > 0) found.push([name, shape])
  }
  return found
}
