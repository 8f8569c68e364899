import type { TopicPartition } from '../../assignor/assignor.js'
import { decodeAssignment } from '../../assignor/consumer-protocol.js'
import type { MaybePromise } from '../../common/deferred.js'
import type { Decision, ReplayedRecord, StateRecord, TransactionEnd } from '../../common/state-machine.js'
import { errorNumber } from '../../errors.js'
import type { ResponseOf } from '../../protocol/message.js'
import type { DescribeGroups } from '../../protocol/messages/describe-groups.js'
import type { ListGroups } from '../../protocol/messages/list-groups.js'
import type { CoordinatorMachine } from '../coordinator-runtime.js'
import type { ClassicGroup } from './classic-group.js'
import { type JoinRequest, type JoinResponse, noBytes, type SyncRequest, type SyncResponse } from './classic-member.js'
import { OffsetHandler } from './committing.js'
import { GroupStore } from './group-store.js'
import { GroupTally } from './group-tally.js'
import type { GroupCaller, GroupWorld } from './group-world.js'
import { JoinHandler } from './joining.js'
import { LiveGroups } from './live-groups.js'
import { MembershipHandler } from './membership.js'
import { dismiss, Rebalancing } from './rebalancing.js'

export type DescribedGroup = ResponseOf<typeof DescribeGroups>['groups'][number]
export type ListedGroup = ResponseOf<typeof ListGroups>['groups'][number]

/**
 * The coordinator of the groups in one partition of `__consumer_offsets`. Each request becomes a
 * decision: records to store, and an answer for when they are. What is stored (`GroupStore`)
 * changes by replaying records only; who waits for what, and until when, is kept apart from it and
 * is lost with the process, as the waiting members' requests are.
 */
export class GroupMachine implements CoordinatorMachine {
  readonly #world: GroupWorld
  readonly #store: GroupStore
  readonly #groups: LiveGroups
  readonly #rebalancing: Rebalancing
  readonly #joining: JoinHandler
  /** SyncGroup, Heartbeat, LeaveGroup. */
  readonly members: MembershipHandler
  readonly offsets: OffsetHandler

  constructor({ tally = new GroupTally(), ...world }: Omit<GroupWorld, 'store' | 'tally'> & { readonly tally?: GroupTally }) {
    this.#store = new GroupStore(tally, world.topicIdOf)
    this.#world = { ...world, tally, store: this.#store }
    this.#groups = new LiveGroups(this.#world)
    this.#rebalancing = new Rebalancing(this.#world, this.#groups)
    this.#joining = new JoinHandler(this.#world, this.#groups, this.#rebalancing)
    this.members = new MembershipHandler(this.#world, this.#groups, this.#rebalancing)
    this.offsets = new OffsetHandler(this.#world, this.#groups, this.#rebalancing)
  }

  replay(record: ReplayedRecord): void {
    this.#store.replay(record)
  }

  replayEnd(producerId: number, type: TransactionEnd['type']): void {
    this.#store.replayEnd(producerId, type)
  }

  get hasUndecided(): boolean {
    return this.#store.hasPending()
  }

  snapshot(): Iterable<StateRecord> {
    return this.#store.snapshot()
  }

  /** Ends the transaction of a producer for the offsets that it commits here. */
  end(end: TransactionEnd): Decision<void> {
    return { records: [], ends: end, committed: () => {} }
  }

  /**
   * Called once, when the log has been replayed: members that were there are expected to show signs
   * of life again.
   */
  loaded(): Decision<void> {
    const records: StateRecord[] = []
    for (const group of this.#groups.all()) {
      for (const member of group.members.values()) this.#rebalancing.renewSession(group, member)
      if (group.members.size > this.#world.options.maxGroupSize) {
        this.#rebalancing.prepare(group, 'the group is larger than it may be', records)
      }
    }
    return { records, committed: () => {} }
  }

  /** Sends everyone who waits away and stops all clocks. */
  unload(): void {
    for (const group of this.#groups.all()) {
      group.bury()
      for (const member of group.members.values()) dismiss(member, 'NOT_COORDINATOR')
    }
    this.#store.unload()
  }

  join(request: JoinRequest, caller: GroupCaller, signal?: AbortSignal): Decision<MaybePromise<JoinResponse>> {
    return this.#joining.handle(request, caller, signal)
  }

  sync(request: SyncRequest, signal?: AbortSignal): Decision<MaybePromise<SyncResponse>> {
    return this.members.sync(request, signal)
  }

  describe(groupId: string): DescribedGroup | undefined {
    const group = this.#groups.find(groupId)
    if (!group) return undefined
    const isStable = group.state === 'Stable'
    return {
      errorCode: 0,
      groupId,
      groupState: group.state,
      protocolType: group.protocolType ?? '',
      protocolData: (isStable && group.protocolName) || '',
      members: Array.from(group.members.values(), member => ({
        memberId: member.memberId,
        groupInstanceId: member.groupInstanceId,
        clientId: member.clientId,
        clientHost: member.clientHost,
        memberMetadata: isStable ? member.metadataFor(group.protocolName) : noBytes,
        memberAssignment: member.assignment
      }))
    }
  }

  /**
   * The topics that the live members of a group subscribe to, as far as they can be read; undefined
   * for a group without members.
   */
  liveTopics(groupId: string): ReadonlySet<string> | undefined {
    const group = this.#groups.find(groupId)
    return group && group.members.size > 0 ? (group.subscribedTopics ?? noTopics) : undefined
  }

  /**
   * The members of a group with the partitions that were assigned to them, as far as they can be
   * read.
   */
  liveMembers(groupId: string): LiveMember[] {
    const members = this.#groups.find(groupId)?.members.values() ?? []
    return Array.from(members, ({ memberId, clientId, clientHost, assignment }) => {
      return { memberId, clientId, clientHost, partitions: partitionsIn(assignment) }
    })
  }

  *liveGroups(): Generator<string> {
    for (const { groupId, members } of this.#groups.all()) if (members.size > 0) yield groupId
  }

  committedOffset(groupId: string, topic: string, partition: number): number {
    return this.#store.currentOffset(groupId, topic, partition)?.offset ?? -1
  }

  committedOffsets(topic: string, partition: number): Iterable<[groupId: string, offset: number]> {
    return this.#store.committedOffsets(topic, partition)
  }

  /** The groups in these states, by lower-cased name; all when there are none. */
  list(states: ReadonlySet<string>): ListedGroup[] {
    const listed: ListedGroup[] = []
    for (const group of this.#groups.all()) {
      if (states.size > 0 && !states.has(group.state.toLowerCase())) continue
      listed.push(asListed(group))
    }
    return listed
  }
}

/** A member of a group, and what was assigned to it. */
export interface LiveMember {
  readonly memberId: string
  readonly clientId: string
  readonly clientHost: string
  readonly partitions: readonly TopicPartition[]
}

/** Assignments of groups other than consumers' are opaque. */
function partitionsIn(assignment: Uint8Array): readonly TopicPartition[] {
  try {
    return decodeAssignment(assignment).partitions
  } catch {
    return []
  }
}

const noTopics: ReadonlySet<string> = new Set()

function asListed({ groupId, protocolType, state }: ClassicGroup): ListedGroup {
  return { groupId, protocolType: protocolType ?? '', groupState: state, groupType: 'classic' }
}

/** The description of a group that does not exist. */
export function missingGroup(groupId: string, saysSo: boolean): DescribedGroup {
  return {
    errorCode: saysSo ? errorNumber('GROUP_ID_NOT_FOUND') : 0,
    errorMessage: saysSo ? `Group ${groupId} not found.` : null,
    groupId,
    groupState: 'Dead',
    protocolType: '',
    protocolData: '',
    members: []
  }
}
