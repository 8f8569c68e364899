import type { MaybePromise } from '../../common/deferred.js'
import { answer, type Decision, type StateRecord } from '../../common/state-machine.js'
import type { ProtocolErrorCode } from '../../errors.js'
import { coordinatorErrorNumber } from '../coordinator-error.js'
import { type ClassicGroup, selectProtocol } from './classic-group.js'
import {
  ClassicMember,
  copiedProtocols,
  type JoinRequest,
  type JoinResponse,
  noBytes,
  rebalanceTimeoutOf,
  sizeOfProtocols
} from './classic-member.js'
import { groupRecord } from './group-records.js'
import type { GroupCaller, GroupWorld } from './group-world.js'
import type { LiveGroups } from './live-groups.js'
import { newMemberId } from './member-id.js'
import { Parked } from './parked.js'
import { currentMembers, dismiss, joinError, joinedResponse, type Rebalancing } from './rebalancing.js'

/**
 * From this version of JoinGroup on a member first gets its id and then joins with it (KIP-394).
 */
const memberIdRequiredVersion = 4
/**
 * From this version on a static leader that came back can be told to leave the assignment as it is
 * (KIP-814).
 */
const skipAssignmentVersion = 9

type Joined = Decision<MaybePromise<JoinResponse>>

/** One JoinGroup, with all that belongs to it. */
interface Joining {
  readonly group: ClassicGroup
  readonly request: JoinRequest
  readonly caller: GroupCaller
  readonly signal: AbortSignal | undefined
}

/** Answers JoinGroup. */
export class JoinHandler {
  readonly #world: GroupWorld
  readonly #groups: LiveGroups
  readonly #rebalancing: Rebalancing

  constructor(world: GroupWorld, groups: LiveGroups, rebalancing: Rebalancing) {
    this.#world = world
    this.#groups = groups
    this.#rebalancing = rebalancing
  }

  handle(request: JoinRequest, caller: GroupCaller, signal?: AbortSignal): Joined {
    const { groupId, memberId } = request
    const group = this.#groups.find(groupId)
    if (group) return this.#join({ group, request, caller, signal })
    if (memberId !== '') return refuse(memberId, 'UNKNOWN_MEMBER_ID')
    if (request.protocolType === '' || request.protocols.length === 0) return refuse('', 'INCONSISTENT_GROUP_PROTOCOL')
    if (!this.#isWithinLimits(undefined, request, caller)) return refuse('', 'GROUP_MAX_SIZE_REACHED')
    const stateTimestamp = this.#world.clock.now()
    const empty = { protocolType: null, generationId: 0, protocolName: null, leaderId: null, stateTimestamp, members: [] }
    return {
      records: [groupRecord(groupId, empty)],
      // Joining an empty group never has anything to store.
      committed: () => this.#join({ group: this.#groups.create(groupId), request, caller, signal }).committed()
    }
  }

  #join(joining: Joining): Joined {
    const { group, request, caller } = joining
    const { memberId, groupInstanceId } = request
    if (!this.#hasRoomFor(group, memberId)) {
      const records: StateRecord[] = []
      this.#rebalancing.remove(group, memberId, 'the group has reached its maximum size')
      this.#rebalancing.completeIfAllJoined(group, records)
      return { records, committed: () => joinError('', 'GROUP_MAX_SIZE_REACHED') }
    }
    if (!this.#isWithinLimits(group, request, caller)) return refuse('', 'GROUP_MAX_SIZE_REACHED')
    if (!group.supports(request.protocolType, request.protocols)) return refuse(memberId, 'INCONSISTENT_GROUP_PROTOCOL')
    if (memberId === '') return this.#joinNew(joining)
    if (group.pendingMembers.has(memberId) && !isStatic(groupInstanceId)) return this.#add(joining, memberId)
    const refusal = group.refusalOf(memberId, groupInstanceId)
    return refusal ? refuse(memberId, refusal) : this.#joinAgain(joining, group.members.get(memberId)!)
  }

  #joinNew(joining: Joining): Joined {
    const { group, request, caller } = joining
    const { groupInstanceId, sessionTimeoutMs } = request
    if (isStatic(groupInstanceId)) {
      const memberId = newMemberId(groupInstanceId, this.#world.random)
      const former = group.staticMembers.get(groupInstanceId)
      return former === undefined ? this.#add(joining, memberId) : this.#replace(joining, group.members.get(former)!, memberId)
    }
    const memberId = newMemberId(caller.clientId, this.#world.random)
    if (caller.apiVersion < memberIdRequiredVersion) return this.#add(joining, memberId)
    group.addPending(memberId)
    this.#rebalancing.expectPending(group, memberId, sessionTimeoutMs)
    return refuse(memberId, 'MEMBER_ID_REQUIRED')
  }

  #joinAgain(joining: Joining, member: ClassicMember): Joined {
    const { group, request } = joining
    const unchanged = member.matches(request.protocols)
    if (group.state === 'CompletingRebalance' && unchanged) return answer(joinedResponse(group, member))
    // A leader that joins again asks for a rebalance: it may have seen a change that is not in
    // anyone's subscription, as of the partitions of a topic.
    if (group.state === 'Stable' && unchanged && group.leaderId !== member.memberId) return answer(joinedResponse(group, member))
    group.update(member, request)
    const parked = this.#park(joining, member)
    const records: StateRecord[] = []
    this.#rebalancing.prepareOrComplete(group, `member ${member.memberId} joins again: ${reasonOf(request)}`, records)
    return { records, committed: () => parked.promise }
  }

  #add(joining: Joining, memberId: string): Joined {
    const { group, request, caller } = joining
    const member = this.#newMember(request, caller, memberId, noBytes)
    member.isNew = true
    if (group.members.size === 0) group.protocolType = request.protocolType
    if (group.state === 'PreparingRebalance' && group.previousState === 'Empty') group.newMemberAdded = true
    group.add(member)
    const parked = this.#park(joining, member)
    // It cannot send heartbeats yet, and may be gone without anyone noticing, so its waiting has a
    // limit of its own.
    this.#rebalancing.renewSession(group, member, this.#world.options.newMemberJoinTimeoutMs)
    const { groupId } = group
    const { groupInstanceId } = member
    this.#world.emit({ type: 'memberJoined', groupId, memberId, groupInstanceId, reason: reasonOf(request) })
    const records: StateRecord[] = []
    this.#rebalancing.prepareOrComplete(group, `member ${memberId} joins: ${reasonOf(request)}`, records)
    return { records, committed: () => parked.promise }
  }

  /**
   * A static member is back under a new id. While the group is stable, and nothing that was agreed
   * on changes, it takes its old place quietly.
   */
  #replace(joining: Joining, former: ClassicMember, memberId: string): Joined {
    const { group, request, caller } = joining
    const replacement = this.#newMember(request, caller, memberId, former.assignment)
    if (group.state === 'Stable' && protocolWith(group, former, replacement) === group.protocolName) {
      return this.#replaceQuietly(joining, former, replacement)
    }
    this.#takePlaceOf(group, former, replacement)
    const parked = this.#park(joining, replacement)
    const records: StateRecord[] = []
    const reason = `static member ${request.groupInstanceId} joins under the new id ${memberId}: ${reasonOf(request)}`
    // In the middle of an assignment the leader may have been told the old id, so the new one would
    // get nothing.
    if (group.canRebalance) this.#rebalancing.prepare(group, reason, records)
    else this.#rebalancing.completeIfAllJoined(group, records)
    return { records, committed: () => parked.promise }
  }

  #replaceQuietly({ group, caller }: Joining, former: ClassicMember, replacement: ClassicMember): Joined {
    const stored = group.toMetadata()
    const members = stored.members.filter(({ memberId }) => memberId !== former.memberId)
    members.push(replacement.toMetadata(group.protocolName))
    const wasLeader = group.leaderId === former.memberId
    const leaderId = wasLeader ? replacement.memberId : group.leaderId
    return {
      records: [groupRecord(group.groupId, { ...stored, leaderId, members })],
      committed: () => {
        this.#takePlaceOf(group, former, replacement)
        const response = joinedResponse(group, replacement)
        if (caller.apiVersion < skipAssignmentVersion) {
          // Such a client must not find itself the leader, or it would assign anew.
          return { ...response, leader: wasLeader ? former.memberId : response.leader, members: [] }
        }
        return wasLeader ? { ...response, skipAssignment: true, members: currentMembers(group) } : response
      },
      failed: error => ({ ...joinError('', coordinatorErrorNumber(error)), generationId: group.generationId, leader: group.leaderId ?? '' })
    }
  }

  #takePlaceOf(group: ClassicGroup, former: ClassicMember, replacement: ClassicMember): void {
    group.replace(former, replacement)
    dismiss(former, 'FENCED_INSTANCE_ID')
    this.#rebalancing.renewSession(group, replacement)
  }

  #newMember(request: JoinRequest, { clientId, clientHost }: GroupCaller, memberId: string, assignment: Uint8Array): ClassicMember {
    const { sessionTimeoutMs, groupInstanceId = null } = request
    const rebalanceTimeoutMs = rebalanceTimeoutOf(request)
    const protocols = copiedProtocols(request.protocols)
    const member = { memberId, groupInstanceId, clientId, clientHost, rebalanceTimeoutMs, sessionTimeoutMs, protocols, assignment }
    return new ClassicMember(member, this.#world.clock)
  }

  #park({ group, signal }: Joining, member: ClassicMember): Parked<JoinResponse> {
    // The same member asks again before it had an answer, so it has given the first request up.
    member.join?.complete(joinError(member.memberId, 'REBALANCE_IN_PROGRESS'))
    const parked = new Parked<JoinResponse>(signal, () => this.#rebalancing.abandonJoin(group, member))
    member.join = parked
    return parked
  }

  /**
   * True if there is room for what a request adds to all groups. A member that is there already
   * keeps its place.
   */
  #isWithinLimits(group: ClassicGroup | undefined, request: JoinRequest, { clientId, clientHost }: GroupCaller): boolean {
    const { tally, options } = this.#world
    const { groupId, memberId, groupInstanceId, protocols } = request
    const former = group?.members.get(memberId) ?? group?.members.get(group.staticMembers.get(groupInstanceId ?? '') ?? '')
    const isKnown = former !== undefined || group?.pendingMembers.has(memberId)
    // The id of a new member begins with what its client calls itself.
    const ids = isKnown ? 0 : 2 * clientId.length + clientHost.length + 2 * (groupInstanceId?.length ?? 0) + (group ? 0 : groupId.length)
    const bytes = ids + sizeOfProtocols(protocols) - (former ? sizeOfProtocols(former.protocols) : 0)
    return (
      tally.hasRoomFor('groups', group ? 0 : 1, options) &&
      tally.hasRoomFor('members', isKnown ? 0 : 1, options) &&
      tally.hasRoomFor('bytes', bytes, options)
    )
  }

  #hasRoomFor(group: ClassicGroup, memberId: string): boolean {
    const { maxGroupSize } = this.#world.options
    const member = group.members.get(memberId)
    if (group.state === 'Empty') return true
    if (group.state === 'PreparingRebalance') return Boolean(member?.join) || group.awaitingJoinCount < maxGroupSize
    return member !== undefined || group.members.size < maxGroupSize
  }
}

function refuse(memberId: string, code: ProtocolErrorCode): Joined {
  return answer(joinError(memberId, code))
}

function isStatic(groupInstanceId: string | null | undefined): groupInstanceId is string {
  return groupInstanceId !== null && groupInstanceId !== undefined
}

function reasonOf({ reason }: JoinRequest): string {
  return reason || 'no reason given'
}

/** The protocol that the group would choose with one member in place of another. */
function protocolWith(group: ClassicGroup, former: ClassicMember, replacement: ClassicMember): string | null {
  return selectProtocol(Array.from(group.members.values(), member => (member === former ? replacement : member)))
}
