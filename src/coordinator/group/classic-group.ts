import { consumerProtocolType, decodeSubscribedTopics } from '../../assignor/consumer-protocol.js'
import type { Clock } from '../../common/clock.js'
import type { ProtocolErrorCode } from '../../errors.js'
import { Timeout } from '../timeout.js'
import { ClassicMember, type JoinRequest, type MemberProtocol } from './classic-member.js'
import type { GroupMetadata } from './group-records.js'
import { GroupTally } from './group-tally.js'

/**
 * The state of a group:
 *     Empty → PreparingRebalance (members are joining) → CompletingRebalance (the leader is assigning) → Stable
 * From the last two a change of members or subscriptions leads back to PreparingRebalance, and that
 * to Empty when nobody is left.
 */
export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead'

/**
 * A live group: its members and where they are in a rebalance. What of this must outlive the
 * process is in the `GroupStore`, as of the last generation that was assigned; after a restart the
 * group goes on from there.
 *
 * Size: its fields are those of a group in Kafka's records, with what is known of its members.
 */
export class ClassicGroup {
  readonly groupId: string
  readonly #clock: Clock
  readonly #tally: GroupTally
  state: GroupState
  previousState: GroupState = 'Dead'
  stateTimestamp: number
  generationId: number
  protocolType: string | null
  protocolName: string | null
  leaderId: string | null
  /** The topics that the members of the current generation subscribe to, where they can be read. */
  subscribedTopics: ReadonlySet<string> | null
  /** In the order in which they joined. */
  readonly members = new Map<string, ClassicMember>()
  /** Group instance id → member id. */
  readonly staticMembers = new Map<string, string>()
  /** Member ids that were given out and not come back with yet, with the time they have for it. */
  readonly pendingMembers = new Map<string, Timeout>()
  /** Members of this generation that have not asked for their assignment yet. */
  readonly unsynced = new Set<string>()
  readonly joinAlarm: Timeout
  readonly syncAlarm: Timeout
  /** True if someone new came while the first rebalance of the group waits for more. */
  newMemberAdded = false

  constructor(groupId: string, clock: Clock, stored?: GroupMetadata, tally = new GroupTally()) {
    this.#tally = tally
    this.groupId = groupId
    this.#clock = clock
    this.joinAlarm = new Timeout(clock)
    this.syncAlarm = new Timeout(clock)
    this.generationId = stored?.generationId ?? 0
    this.protocolType = stored?.protocolType ?? null
    this.protocolName = stored?.protocolName ?? null
    this.leaderId = stored?.leaderId ?? null
    this.stateTimestamp = stored?.stateTimestamp ?? -1
    for (const { subscription, ...member } of stored?.members ?? []) {
      this.add(new ClassicMember({ ...member, protocols: [{ name: this.protocolName ?? '', metadata: subscription }] }, clock))
    }
    this.state = this.members.size > 0 ? 'Stable' : 'Empty'
    this.subscribedTopics = this.#readSubscribedTopics()
  }

  get isConsumerGroup(): boolean {
    return this.protocolType === consumerProtocolType
  }

  get canRebalance(): boolean {
    return this.state === 'Empty' || this.state === 'Stable' || this.state === 'CompletingRebalance'
  }

  /** The time that a rebalance waits: the longest that a member allows. */
  get rebalanceTimeoutMs(): number {
    let longest = 0
    for (const { rebalanceTimeoutMs } of this.members.values()) longest = Math.max(longest, rebalanceTimeoutMs)
    return longest
  }

  get awaitingJoinCount(): number {
    let count = 0
    for (const member of this.members.values()) if (member.join) count++
    return count
  }

  get hasAllMembersJoined(): boolean {
    return this.pendingMembers.size === 0 && this.awaitingJoinCount === this.members.size
  }

  transitionTo(state: GroupState): void {
    this.previousState = this.state
    this.state = state
    this.stateTimestamp = this.#clock.now()
  }

  /**
   * True if a member with these protocols could be in the group: there is one that all the others
   * support as well.
   */
  supports(protocolType: string, protocols: readonly MemberProtocol[]): boolean {
    if (this.state === 'Empty') return protocolType !== '' && protocols.length > 0
    if (protocolType !== this.protocolType) return false
    return protocols.some(({ name }) => everySupports(this.members.values(), name))
  }

  add(member: ClassicMember): void {
    if (member.groupInstanceId !== null) this.staticMembers.set(member.groupInstanceId, member.memberId)
    this.leaderId ??= member.memberId
    this.members.set(member.memberId, member)
    this.#count(1, member.sizeInBytes)
    this.removePending(member.memberId)
  }

  /** Takes a member out and returns it; the first of those that remain follows a leader. */
  remove(memberId: string): ClassicMember | undefined {
    const member = this.members.get(memberId)
    if (!member) return undefined
    this.members.delete(memberId)
    this.#count(-1, -member.sizeInBytes)
    this.unsynced.delete(memberId)
    member.session.cancel()
    if (member.groupInstanceId !== null) this.staticMembers.delete(member.groupInstanceId)
    if (this.leaderId === memberId) this.leaderId = this.members.keys().next().value ?? null
    return member
  }

  /** Notes a member id that is given out. */
  addPending(memberId: string): void {
    this.pendingMembers.set(memberId, new Timeout(this.#clock))
    this.#count(1, memberId.length)
  }

  removePending(memberId: string): void {
    this.pendingMembers.get(memberId)?.cancel()
    if (this.pendingMembers.delete(memberId)) this.#count(-1, -memberId.length)
  }

  /** Takes over what a member says of itself when it joins again. */
  update(member: ClassicMember, request: JoinRequest): void {
    const before = member.sizeInBytes
    member.update(request)
    this.#count(0, member.sizeInBytes - before)
  }

  assign(member: ClassicMember, assignment: Uint8Array): void {
    this.#count(0, assignment.length - member.assignment.length)
    member.assignment = assignment
  }

  /** Ends the group: stops its alarms, and takes its members out of the tally. */
  bury(): void {
    this.#cancelAlarms()
    this.state = 'Dead'
    for (const member of this.members.values()) this.#count(-1, -member.sizeInBytes)
    for (const memberId of this.pendingMembers.keys()) this.#count(-1, -memberId.length)
  }

  /** Puts a static member that came back under a new id into the place of its former self. */
  replace(member: ClassicMember, replacement: ClassicMember): void {
    const wasLeader = this.leaderId === member.memberId
    const wasUnsynced = this.unsynced.has(member.memberId)
    this.remove(member.memberId)
    if (wasLeader) this.leaderId = replacement.memberId
    if (wasUnsynced) this.unsynced.add(replacement.memberId)
    this.add(replacement)
  }

  /** Makes sure that the leader is among those who joined; false when nobody did. */
  electJoinedLeader(): boolean {
    const leader = this.leaderId === null ? undefined : this.members.get(this.leaderId)
    if (!leader) return false
    if (leader.join) return true
    for (const member of this.members.values()) {
      if (!member.join) continue
      this.leaderId = member.memberId
      return true
    }
    return false
  }

  startGeneration(): void {
    this.generationId++
    this.protocolName = this.members.size > 0 ? selectProtocol([...this.members.values()]) : null
    this.subscribedTopics = this.#readSubscribedTopics()
    this.transitionTo(this.members.size > 0 ? 'CompletingRebalance' : 'Empty')
    this.unsynced.clear()
  }

  /** The error for a caller that claims to be this member, or null. */
  refusalOf(memberId: string, groupInstanceId: string | null | undefined): ProtocolErrorCode | null {
    if (groupInstanceId !== null && groupInstanceId !== undefined) {
      const holder = this.staticMembers.get(groupInstanceId)
      if (holder === undefined) return 'UNKNOWN_MEMBER_ID'
      if (holder !== memberId) return 'FENCED_INSTANCE_ID'
    }
    return this.members.has(memberId) ? null : 'UNKNOWN_MEMBER_ID'
  }

  isSubscribedTo(topic: string): boolean {
    return this.subscribedTopics ? this.subscribedTopics.has(topic) : this.isConsumerGroup
  }

  /**
   * The record of the group to store. `assignmentOf` gives assignments that the members do not have
   * yet.
   */
  toMetadata(assignmentOf = (member: ClassicMember): Uint8Array => member.assignment): GroupMetadata {
    return {
      protocolType: this.protocolType,
      generationId: this.generationId,
      protocolName: this.protocolName,
      leaderId: this.leaderId,
      stateTimestamp: this.stateTimestamp,
      members: Array.from(this.members.values(), member => member.toMetadata(this.protocolName, assignmentOf(member)))
    }
  }

  #count(members: number, bytes: number): void {
    this.#tally.add('members', members)
    this.#tally.add('bytes', bytes)
  }

  #cancelAlarms(): void {
    this.joinAlarm.cancel()
    this.syncAlarm.cancel()
    for (const member of this.members.values()) member.session.cancel()
    for (const alarm of this.pendingMembers.values()) alarm.cancel()
  }

  #readSubscribedTopics(): ReadonlySet<string> | null {
    if (!this.isConsumerGroup) return null
    const topics = new Set<string>()
    try {
      for (const member of this.members.values()) {
        for (const topic of decodeSubscribedTopics(member.metadataFor(this.protocolName))) topics.add(topic)
      }
    } catch {
      return null
    }
    return topics
  }
}

/**
 * The protocol that most members like best among those that all support; null when there is none.
 */
export function selectProtocol(members: readonly ClassicMember[]): string | null {
  const supporters = new Map<string, number>()
  for (const { protocols } of members) for (const { name } of protocols) supporters.set(name, (supporters.get(name) ?? 0) + 1)
  const votes = new Map<string, number>()
  for (const { protocols } of members) {
    const vote = protocols.find(({ name }) => supporters.get(name) === members.length)
    if (vote) votes.set(vote.name, (votes.get(vote.name) ?? 0) + 1)
  }
  let winner: string | null = null
  for (const [name, count] of votes) if (winner === null || count > votes.get(winner)!) winner = name
  return winner
}

function everySupports(members: Iterable<ClassicMember>, protocolName: string): boolean {
  for (const { protocols } of members) if (!protocols.some(({ name }) => name === protocolName)) return false
  return true
}
