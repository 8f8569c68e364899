import type { MaybePromise } from '../../common/deferred.js'
import { answer, type Decision, type StateRecord } from '../../common/state-machine.js'
import { errorNumber, KafkaError, type ProtocolErrorCode } from '../../errors.js'
import type { RequestOf, ResponseOf } from '../../protocol/message.js'
import type { Heartbeat } from '../../protocol/messages/heartbeat.js'
import type { LeaveGroup } from '../../protocol/messages/leave-group.js'
import { coordinatorErrorNumber } from '../coordinator-error.js'
import type { ClassicGroup } from './classic-group.js'
import { noBytes, type SyncRequest, type SyncResponse } from './classic-member.js'
import { groupRecord } from './group-records.js'
import type { GroupWorld } from './group-world.js'
import type { LiveGroups } from './live-groups.js'
import { Parked } from './parked.js'
import type { Rebalancing } from './rebalancing.js'

export type HeartbeatRequest = RequestOf<typeof Heartbeat>
export type HeartbeatResponse = ResponseOf<typeof Heartbeat>
export type LeaveRequest = RequestOf<typeof LeaveGroup>
export type LeaveResponse = ResponseOf<typeof LeaveGroup>
export type LeavingMember = NonNullable<LeaveRequest['members']>[number]
type LeftMember = NonNullable<LeaveResponse['members']>[number]

/** Answers what members ask after they have joined: SyncGroup, Heartbeat, LeaveGroup. */
export class MembershipHandler {
  readonly #world: GroupWorld
  readonly #groups: LiveGroups
  readonly #rebalancing: Rebalancing

  constructor(world: GroupWorld, groups: LiveGroups, rebalancing: Rebalancing) {
    this.#world = world
    this.#groups = groups
    this.#rebalancing = rebalancing
  }

  sync(request: SyncRequest, signal?: AbortSignal): Decision<MaybePromise<SyncResponse>> {
    const group = this.#groups.find(request.groupId)
    if (!group || group.state === 'Empty') return refuseSync('UNKNOWN_MEMBER_ID')
    const refusal = refusalOfSync(group, request)
    if (refusal) return refuseSync(refusal)
    if (group.state === 'PreparingRebalance') return refuseSync('REBALANCE_IN_PROGRESS')
    const member = group.members.get(request.memberId)!
    group.unsynced.delete(member.memberId)
    if (group.unsynced.size === 0) group.syncAlarm.cancel()
    if (group.state === 'Stable') {
      const { protocolType, protocolName } = group
      return answer({ errorCode: 0, protocolType, protocolName, assignment: member.assignment })
    }
    // The same member asks again before it had an answer, so it has given the first request up.
    member.sync?.complete(syncError('REBALANCE_IN_PROGRESS'))
    const parked = new Parked<SyncResponse>(signal, () => this.#rebalancing.abandonSync(group, member))
    member.sync = parked
    if (group.leaderId === member.memberId) return this.#assign(group, request, parked)
    return { records: [], committed: () => parked.promise }
  }

  heartbeat({ groupId, memberId, groupInstanceId, generationId }: HeartbeatRequest): Decision<HeartbeatResponse> {
    const group = this.#groups.find(groupId)
    const refusal = group ? group.refusalOf(memberId, groupInstanceId) : 'UNKNOWN_MEMBER_ID'
    if (!group || refusal) return answer({ errorCode: errorNumber(refusal ?? 'UNKNOWN_MEMBER_ID') })
    if (generationId !== group.generationId) return answer({ errorCode: errorNumber('ILLEGAL_GENERATION') })
    this.#rebalancing.renewSession(group, group.members.get(memberId)!)
    return answer({ errorCode: group.state === 'PreparingRebalance' ? errorNumber('REBALANCE_IN_PROGRESS') : 0 })
  }

  leave(groupId: string, leaving: readonly LeavingMember[]): Decision<LeaveResponse> {
    const group = this.#groups.find(groupId)
    const results = leaving.map(member => this.#leaveOne(group, member))
    const records: StateRecord[] = []
    const left = results.filter(({ errorCode }) => errorCode === 0)
    if (group && left.length > 0) {
      const reason = `${left.map(({ memberId, groupInstanceId }) => memberId || groupInstanceId).join(', ')} left`
      if (group.state === 'PreparingRebalance') this.#rebalancing.completeIfAllJoined(group, records)
      else this.#rebalancing.afterRemoval(group, reason, records)
    }
    return { records, committed: () => ({ errorCode: 0, members: results }) }
  }

  #leaveOne(group: ClassicGroup | undefined, { memberId, groupInstanceId = null, reason }: LeavingMember): LeftMember {
    const result = (code: ProtocolErrorCode) => ({ memberId, groupInstanceId, errorCode: errorNumber(code) })
    if (!group) return result('UNKNOWN_MEMBER_ID')
    if (group.pendingMembers.has(memberId)) {
      group.removePending(memberId)
      return result('NONE')
    }
    // Somebody with the right to may take a static member out by its instance id alone.
    const holder = memberId === '' && groupInstanceId !== null ? group.staticMembers.get(groupInstanceId) : memberId
    const refusal = holder === undefined ? 'UNKNOWN_MEMBER_ID' : group.refusalOf(holder, groupInstanceId)
    if (holder === undefined || refusal) return result(refusal ?? 'UNKNOWN_MEMBER_ID')
    this.#rebalancing.remove(group, holder, `it left: ${reason || 'no reason given'}`)
    return result('NONE')
  }

  /** The leader has spoken: its assignment is stored first, and then everyone gets theirs. */
  #assign(group: ClassicGroup, request: SyncRequest, parked: Parked<SyncResponse>): Decision<MaybePromise<SyncResponse>> {
    const assignments = new Map(request.assignments.map(({ memberId, assignment }) => [memberId, new Uint8Array(assignment)]))
    const failed = (error: unknown) => {
      this.#rebalancing.resetAssignments(group, coordinatorErrorNumber(error))
      this.#rebalancing.prepareOrComplete(group, 'the assignment could not be stored', [])
      return parked.promise
    }
    let bytes = 0
    for (const { memberId, assignment } of group.members.values()) bytes += (assignments.get(memberId)?.length ?? 0) - assignment.length
    const { tally, options } = this.#world
    if (!tally.hasRoomFor('bytes', bytes, options))
      return { records: [], committed: () => failed(new KafkaError('GROUP_MAX_SIZE_REACHED')) }
    return {
      records: [
        groupRecord(
          group.groupId,
          group.toMetadata(({ memberId }) => assignments.get(memberId) ?? noBytes)
        )
      ],
      committed: () => {
        for (const member of group.members.values()) group.assign(member, assignments.get(member.memberId) ?? noBytes)
        this.#rebalancing.becomeStable(group)
        return parked.promise
      },
      failed
    }
  }
}

function refusalOfSync(group: ClassicGroup, request: SyncRequest): ProtocolErrorCode | null {
  const refusal = group.refusalOf(request.memberId, request.groupInstanceId)
  if (refusal) return refusal
  if (request.generationId !== group.generationId) return 'ILLEGAL_GENERATION'
  const differs = (theirs: string | null | undefined, ours: string | null) => Boolean(theirs && ours && theirs !== ours)
  if (differs(request.protocolType, group.protocolType) || differs(request.protocolName, group.protocolName)) {
    return 'INCONSISTENT_GROUP_PROTOCOL'
  }
  return null
}

export function syncError(code: ProtocolErrorCode | number): SyncResponse {
  const errorCode = typeof code === 'number' ? code : errorNumber(code)
  return { errorCode, protocolType: null, protocolName: null, assignment: noBytes }
}

function refuseSync(code: ProtocolErrorCode): Decision<SyncResponse> {
  return answer(syncError(code))
}
