import { expectList, expectString } from '../common/options.js'
import { KafkaError } from '../errors.js'
import type { ResponseOf } from '../protocol/message.js'
import { DeleteGroups } from '../protocol/messages/delete-groups.js'
import { DescribeCluster } from '../protocol/messages/describe-cluster.js'
import { DescribeGroups } from '../protocol/messages/describe-groups.js'
import { ListGroups } from '../protocol/messages/list-groups.js'
import type { AdminContext, Limits } from './admin-context.js'
import type { AdminCallOptions } from './admin-options.js'
import { assignmentIn, type TopicPartitions } from './member-assignment.js'

export interface GroupListing {
  readonly groupId: string
  /** `consumer` for consumers; empty for a group that only has offsets. */
  readonly protocolType: string
  readonly state: GroupState
}

export type GroupState = 'Empty' | 'PreparingRebalance' | 'CompletingRebalance' | 'Stable' | 'Dead' | (string & {})

export interface ListGroupsOptions extends AdminCallOptions {
  /** Only groups in one of these states. Default: all. */
  readonly states?: readonly GroupState[]
}

export interface GroupDescription extends GroupListing {
  /** The name of the assignor; empty unless the group is stable. */
  readonly assignor: string
  readonly members: readonly MemberDescription[]
}

export interface MemberDescription {
  readonly memberId: string
  /** Set for a static member. */
  readonly groupInstanceId: string | null
  readonly clientId: string
  readonly clientHost: string
  readonly assignment: readonly TopicPartitions[]
}

export function expectGroupIds(groupIds: readonly string[]): void {
  expectList('groupIds', groupIds, 'group ids')
  for (const groupId of groupIds) expectString('groupIds', groupId)
}

export function expectStates(name: string, states: unknown): void {
  expectList(name, states, 'states of groups')
  for (const state of states as unknown[]) expectString(name, state)
}

export async function listGroups(context: AdminContext, options: ListGroupsOptions): Promise<GroupListing[]> {
  const request = { statesFilter: [...(options.states ?? [])], typesFilter: [] }
  return context.call(options, async limits => {
    const groups = new Map<string, GroupListing>()
    for (const broker of await allBrokers(context, limits)) {
      const response = await broker.request(ListGroups, request, limits.signal)
      if (response.errorCode !== 0) throw KafkaError.fromNumber(response.errorCode)
      for (const { groupId, protocolType, groupState = '' } of response.groups)
        groups.set(groupId, { groupId, protocolType, state: groupState })
    }
    return [...groups.values()]
  })
}

/** Each broker knows the groups that it coordinates, so all must be asked. */
async function allBrokers(context: AdminContext, limits: Limits) {
  const { brokers } = await context.ask(DescribeCluster, { includeClusterAuthorizedOperations: false }, limits)
  context.brokers.learn?.(brokers.map(({ brokerId, host, port }) => ({ nodeId: brokerId, host, port })))
  return brokers.map(({ brokerId }) => {
    const broker = context.brokers.byId(brokerId)
    if (!broker) throw new KafkaError('BROKER_NOT_AVAILABLE', `Broker ${brokerId} is not known`)
    return broker
  })
}

export async function describeGroups(
  context: AdminContext,
  groupIds: readonly string[],
  options: AdminCallOptions
): Promise<GroupDescription[]> {
  return Promise.all(
    groupIds.map(groupId =>
      context.call(options, async limits => {
        const errorIn = ({ groups: [group] }: ResponseOf<typeof DescribeGroups>) => group.errorCode
        const { groups } = await context.askCoordinator(groupId, DescribeGroups, { groups: [groupId] }, limits, errorIn)
        return described(groups[0])
      })
    )
  )
}

function described({
  groupId,
  groupState,
  protocolType,
  protocolData,
  members
}: ResponseOf<typeof DescribeGroups>['groups'][number]): GroupDescription {
  return {
    groupId,
    protocolType,
    state: groupState,
    assignor: protocolData,
    members: members.map(({ memberId, groupInstanceId = null, clientId, clientHost, memberAssignment }) => ({
      memberId,
      groupInstanceId,
      clientId,
      clientHost,
      assignment: protocolType === 'consumer' ? assignmentIn(memberAssignment) : []
    }))
  }
}

export async function deleteGroups(context: AdminContext, groupIds: readonly string[], options: AdminCallOptions): Promise<void> {
  await Promise.all(
    groupIds.map(groupId =>
      context.call(options, limits =>
        context.askCoordinator(groupId, DeleteGroups, { groupsNames: [groupId] }, limits, ({ results: [result] }) => result.errorCode)
      )
    )
  )
}
