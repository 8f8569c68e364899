import { answer, type Decision, type StateRecord } from '../../common/state-machine.js'
import { zeroUuid } from '../../common/uuid.js'
import { errorNumber, type ProtocolErrorCode } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { OffsetCommit } from '../../protocol/messages/offset-commit.js'
import type { OffsetDelete } from '../../protocol/messages/offset-delete.js'
import type { TxnOffsetCommit } from '../../protocol/messages/txn-offset-commit.js'
import { coordinatorErrorNumber } from '../coordinator-error.js'
import { Tombstones } from '../tombstones.js'
import type { ClassicGroup } from './classic-group.js'
import { groupRecord, offsetRecord, type StoredOffset } from './group-records.js'
import type { GroupCaller, GroupWorld } from './group-world.js'
import type { LiveGroups } from './live-groups.js'
import type { Rebalancing } from './rebalancing.js'

export type CommitRequest = RequestOf<typeof OffsetCommit>
export type CommitResponse = ResponseOf<typeof OffsetCommit>
export type DeleteOffsetsRequest = RequestOf<typeof OffsetDelete>
export type DeleteOffsetsResponse = ResponseOf<typeof OffsetDelete>

/** The request of TxnOffsetCommit. */
export type TransactionalCommitRequest = Omit<RequestOf<typeof TxnOffsetCommit>, 'topics'> & Pick<CommitRequest, 'topics'>

/** A topic of a request whose name is known. */
export interface RequestedTopic {
  readonly name: string
  readonly partitionIndexes: readonly number[] | null
}

export interface FetchedTopic {
  readonly name: string
  readonly partitions: {
    readonly partitionIndex: number
    readonly committedOffset: number
    readonly committedLeaderEpoch: number
    readonly metadata: string
    readonly errorCode: number
  }[]
}

/** Takes room for one offset; false where there is none. */
type TakeRoom = (topic: string, partition: number, metadata: string) => boolean

const unstable = { committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode: errorNumber('UNSTABLE_OFFSET_COMMIT') }

/** So long before offsets expire it is told, or a seventh of their time before. */
const longestLeadMs = 24 * 3_600_000

/** From this version of OffsetCommit on a group that does not exist is called so. */
const groupNotFoundVersion = 9

/** Answers what is asked about committed offsets, and drops those that nobody needs any more. */
export class OffsetHandler {
  readonly #world: GroupWorld
  readonly #groups: LiveGroups
  readonly #rebalancing: Rebalancing
  /** Groups of which it was told that their offsets are about to expire. */
  readonly #foretold = new Set<string>()

  constructor(world: GroupWorld, groups: LiveGroups, rebalancing: Rebalancing) {
    this.#world = world
    this.#groups = groups
    this.#rebalancing = rebalancing
  }

  commit(request: CommitRequest, caller: GroupCaller): Decision<CommitResponse> {
    const group = this.#groups.find(request.groupId)
    const refusal = refusalOfCommit(group, request, caller)
    return refusal ? answer(commitError(request, errorNumber(refusal))) : this.#commit(group, request)
  }

  /**
   * Offsets that count once the transaction of their producer is committed, and never if it is not.
   */
  commitInTransaction(request: TransactionalCommitRequest): Decision<CommitResponse> {
    const { generationId = -1, memberId = '', producerId, producerEpoch } = request
    const commit = { ...request, memberId, generationIdOrMemberEpoch: generationId }
    const group = this.#groups.find(request.groupId)
    const refusal = refusalOfTransactionalCommit(group, commit)
    if (refusal) return answer(commitError(commit, errorNumber(refusal)))
    return { ...this.#commit(group, commit), transactionOf: { producerId, producerEpoch } }
  }

  #commit(group: ClassicGroup | undefined, request: CommitRequest): Decision<CommitResponse> {
    const room = this.#roomFor(group, request)
    if (!room) return answer(commitError(request, errorNumber('INVALID_COMMIT_OFFSET_SIZE')))
    const member = group?.members.get(request.memberId)
    if (group && member && (group.state === 'Stable' || group.state === 'PreparingRebalance')) this.#rebalancing.renewSession(group, member)
    const now = this.#world.clock.now()
    const retentionMs = request.retentionTimeMs ?? -1
    const records: StateRecord[] = []
    const topics = request.topics.map(({ name = '', topicId = zeroUuid, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex, committedOffset, committedLeaderEpoch = -1, committedMetadata }) => {
        if (!this.#isCurrent(name, topicId)) return { partitionIndex, errorCode: errorNumber('UNKNOWN_TOPIC_OR_PARTITION') }
        const metadata = committedMetadata ?? ''
        if (metadata.length > this.#world.options.maxOffsetMetadataLength) {
          return { partitionIndex, errorCode: errorNumber('OFFSET_METADATA_TOO_LARGE') }
        }
        if (!room.take(name, partitionIndex, metadata)) return { partitionIndex, errorCode: errorNumber('INVALID_COMMIT_OFFSET_SIZE') }
        const offset: StoredOffset = {
          offset: committedOffset,
          leaderEpoch: committedLeaderEpoch,
          metadata,
          commitTimestamp: now,
          expireTimestamp: retentionMs < 0 ? -1 : now + retentionMs,
          topicId
        }
        records.push(offsetRecord(request.groupId, name, partitionIndex, offset))
        return { partitionIndex, errorCode: 0 }
      })
    }))
    return { records, committed: () => ({ topics }), failed: error => commitError(request, coordinatorErrorNumber(error)) }
  }

  /** True if the topic of this id has this name. One without an id is current. */
  #isCurrent(topic: string, topicId: string): boolean {
    const { topicIdOf } = this.#world
    return topicId === zeroUuid || topicIdOf === undefined || topicIdOf(topic) === topicId
  }

  /** The room for what a request commits; undefined where there is none for its group. */
  #roomFor(group: ClassicGroup | undefined, { groupId }: CommitRequest): { take: TakeRoom } | undefined {
    const { tally, options, store } = this.#world
    let offsets = 0
    let bytes = group ? 0 : groupId.length
    if (!tally.hasRoomFor('groups', group ? 0 : 1, options) || !tally.hasRoomFor('bytes', bytes, options)) return undefined
    const take: TakeRoom = (topic, partition, metadata) => {
      const before = store.offset(groupId, topic, partition)
      const moreOffsets = before ? 0 : 1
      const isKnown = before !== undefined || store.offsets(groupId)?.has(topic)
      const moreBytes = metadata.length - (before?.metadata.length ?? 0) + (isKnown ? 0 : topic.length)
      // An offset that takes the place of another always has room, but for its metadata.
      if (moreOffsets > 0 && !tally.hasRoomFor('offsets', offsets + moreOffsets, options)) return false
      if (moreBytes > 0 && !tally.hasRoomFor('bytes', bytes + moreBytes, options)) return false
      offsets += moreOffsets
      bytes += moreBytes
      return true
    }
    return { take }
  }

  /**
   * The committed offsets of a group for some partitions, for all of some topics, or (`null`) for
   * all. Where `requireStable`, partitions of which a transaction that is undecided commits an
   * offset are answered with UNSTABLE_OFFSET_COMMIT (KIP-447).
   */
  fetch(groupId: string, topics: readonly RequestedTopic[] | null, requireStable = false): FetchedTopic[] {
    const { store } = this.#world
    const isUnstable = requireStable && store.hasPending(groupId)
    const wanted = topics ?? Array.from(store.currentTopics(groupId), name => ({ name, partitionIndexes: null }))
    return wanted.map(({ name, partitionIndexes }) => ({
      name,
      partitions: [...(partitionIndexes ?? store.currentPartitions(groupId, name))].map(partitionIndex => {
        if (isUnstable && store.hasPending(groupId, name, partitionIndex)) return { ...unstable, partitionIndex }
        const committed = store.currentOffset(groupId, name, partitionIndex)
        return {
          partitionIndex,
          committedOffset: committed?.offset ?? -1,
          committedLeaderEpoch: committed?.leaderEpoch ?? -1,
          metadata: committed?.metadata ?? '',
          errorCode: 0
        }
      })
    }))
  }

  delete({ groupId, topics }: DeleteOffsetsRequest): Decision<DeleteOffsetsResponse> {
    const group = this.#groups.find(groupId)
    if (!group) return answer({ errorCode: errorNumber('GROUP_ID_NOT_FOUND'), topics: [] })
    if (group.state !== 'Empty' && !group.isConsumerGroup) return answer({ errorCode: errorNumber('NON_EMPTY_GROUP'), topics: [] })
    const records: StateRecord[] = []
    const results = topics.map(({ name, partitions }) => {
      const errorCode = group.isSubscribedTo(name) ? errorNumber('GROUP_SUBSCRIBED_TO_TOPIC') : 0
      return {
        name,
        partitions: partitions.map(({ partitionIndex }) => {
          if (errorCode === 0 && this.#world.store.offset(groupId, name, partitionIndex)) {
            records.push(offsetRecord(groupId, name, partitionIndex, null))
          }
          return { partitionIndex, errorCode }
        })
      }
    })
    return { records, committed: () => ({ errorCode: 0, topics: results }) }
  }

  /** Drops what was committed for topics that are gone; true when there is more to drop. */
  dropTopics(isGone: (topic: string, topicId: string) => boolean): Decision<boolean> {
    const tombstones = new Tombstones()
    for (const groupId of this.#world.store.groupIds()) {
      for (const [topic, partition, { topicId }] of this.#world.store.offsetsOf(groupId)) {
        if (isGone(topic, topicId) && !tombstones.add(offsetRecord(groupId, topic, partition, null))) return tombstones.andMore()
      }
    }
    return { records: tombstones.records, committed: () => false }
  }

  /** Drops a group with all its offsets, if it is empty; null when there is more to drop. */
  deleteGroup(groupId: string): Decision<ProtocolErrorCode | null> {
    const group = this.#groups.find(groupId)
    if (!group) return answer('GROUP_ID_NOT_FOUND')
    if (group.state !== 'Empty') return answer('NON_EMPTY_GROUP')
    const tombstones = new Tombstones()
    for (const [topic, partition] of this.#world.store.offsetsOf(groupId)) {
      if (!tombstones.add(offsetRecord(groupId, topic, partition, null))) return { records: tombstones.records, committed: () => null }
    }
    if (!tombstones.add(groupRecord(groupId, null))) return { records: tombstones.records, committed: () => null }
    return {
      records: tombstones.records,
      committed: () => {
        this.#bury(groupId, 'it was deleted')
        return 'NONE'
      }
    }
  }

  /**
   * Drops offsets that have not been used for the retention time, and groups of which nothing is
   * left; true when there is more to drop. The time counts from when an empty group lost its last
   * member; for a topic that a stable group no longer subscribes to, and for groups without
   * members, from the last commit. Offsets of topics that are kept for ever do not age. That a
   * group's offsets are about to go is told first; `isFirstWordEnough` is whether those that are
   * due then go at once, instead of the next time.
   */
  expire(isFirstWordEnough = true): Decision<boolean> {
    const tombstones = new Tombstones()
    const dead: string[] = []
    let more = false
    for (const group of this.#groups.all()) {
      if (!this.#foretell(group) && !isFirstWordEnough) continue
      const allGone = this.#expireOffsets(group, tombstones)
      if (tombstones.isFull) {
        more = true
        break
      }
      if (!allGone || group.state !== 'Empty' || group.pendingMembers.size > 0) continue
      tombstones.add(groupRecord(group.groupId, null))
      dead.push(group.groupId)
    }
    return {
      records: tombstones.records,
      committed: () => {
        for (const groupId of dead) this.#bury(groupId, 'its offsets have expired')
        return more
      }
    }
  }

  /**
   * Says once that the offsets of a group are about to expire. Returns whether that was said
   * before, or need not be.
   */
  #foretell(group: ClassicGroup): boolean {
    const { groupId } = group
    const { clock, options, store, emit } = this.#world
    const topics = new Set<string>()
    let at = Number.POSITIVE_INFINITY
    for (const [topic, , offset] of store.offsetsOf(groupId)) {
      // A client that commits with a time of its own knows it.
      if (offset.expireTimestamp >= 0) continue
      const expiresAt = this.#expiryOf(group, topic, offset)
      if (expiresAt < Number.POSITIVE_INFINITY) topics.add(topic)
      at = Math.min(at, expiresAt)
    }
    const lead = Math.min(longestLeadMs, options.offsetsRetentionMs / 7)
    if (at - lead > clock.now()) {
      this.#foretold.delete(groupId)
      return true
    }
    if (this.#foretold.has(groupId)) return true
    this.#foretold.add(groupId)
    emit({ type: 'offsetsExpiring', groupId, topics: [...topics], at })
    return false
  }

  /** The time at which an offset expires; infinite while it does not age. */
  #expiryOf(group: ClassicGroup, topic: string, offset: StoredOffset): number {
    const startOf = retentionStart(group)
    const { options, keepsForever } = this.#world
    if (startOf === null || group.isSubscribedTo(topic) || keepsForever?.(topic)) return Number.POSITIVE_INFINITY
    return offset.expireTimestamp >= 0 ? offset.expireTimestamp : startOf(offset) + options.offsetsRetentionMs
  }

  /** True if none is left. */
  #expireOffsets(group: ClassicGroup, tombstones: Tombstones): boolean {
    const { groupId } = group
    const now = this.#world.clock.now()
    let allGone = true
    for (const [topic, partition, offset] of this.#world.store.offsetsOf(groupId)) {
      const expired = now >= this.#expiryOf(group, topic, offset) && !this.#world.store.hasPending(groupId, topic, partition)
      if (!expired || !tombstones.add(offsetRecord(groupId, topic, partition, null))) allGone = false
    }
    return allGone && !this.#world.store.hasPending(groupId)
  }

  #bury(groupId: string, reason: string): void {
    this.#groups.forget(groupId)
    this.#foretold.delete(groupId)
    this.#world.emit({ type: 'dead', groupId, reason })
  }
}

/** From when on an offset ages, or null while offsets of the group do not. */
function retentionStart(group: ClassicGroup): ((offset: StoredOffset) => number) | null {
  const byCommit = ({ commitTimestamp }: StoredOffset) => commitTimestamp
  if (group.protocolType === null) return byCommit
  if (group.state === 'Empty') return group.stateTimestamp < 0 ? byCommit : () => group.stateTimestamp
  return group.state === 'Stable' && group.isConsumerGroup && group.subscribedTopics ? byCommit : null
}

function refusalOfCommit(group: ClassicGroup | undefined, request: CommitRequest, caller: GroupCaller): ProtocolErrorCode | null {
  const { memberId, groupInstanceId, generationIdOrMemberEpoch: generationId = -1 } = request
  if (!group) {
    // Somebody who keeps offsets here without being a member; the group comes into being with them.
    if (generationId < 0) return null
    return caller.apiVersion >= groupNotFoundVersion ? 'GROUP_ID_NOT_FOUND' : 'ILLEGAL_GENERATION'
  }
  if (generationId < 0 && group.state === 'Empty') return null
  if (generationId < 0 && memberId === '' && (groupInstanceId ?? null) === null) return 'UNKNOWN_MEMBER_ID'
  const refusal = group.refusalOf(memberId, groupInstanceId)
  if (refusal) return refusal
  if (generationId !== group.generationId) return 'ILLEGAL_GENERATION'
  return group.state === 'CompletingRebalance' ? 'REBALANCE_IN_PROGRESS' : null
}

/** As it was before clients said who they are in such commits, anybody who does not may commit. */
function refusalOfTransactionalCommit(group: ClassicGroup | undefined, request: CommitRequest): ProtocolErrorCode | null {
  const { memberId, groupInstanceId, generationIdOrMemberEpoch: generationId = -1 } = request
  if (!group) return generationId < 0 ? null : 'ILLEGAL_GENERATION'
  if (generationId < 0 && (group.state === 'Empty' || (memberId === '' && (groupInstanceId ?? null) === null))) return null
  const refusal = group.refusalOf(memberId, groupInstanceId)
  if (refusal) return refusal
  return generationId === group.generationId ? null : 'ILLEGAL_GENERATION'
}

/** The answer to a commit of which nothing was done. */
export function commitError({ topics }: Pick<CommitRequest, 'topics'>, errorCode: number): CommitResponse {
  return {
    topics: topics.map(({ name, topicId, partitions }) => ({
      name,
      topicId,
      partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode }))
    }))
  }
}
