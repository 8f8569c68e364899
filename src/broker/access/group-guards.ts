import { whenThere } from '../../common/deferred.js'
import { zeroUuid } from '../../common/uuid.js'
import { topicsAskedFor } from '../../coordinator/group/asked-topics.js'
import { KafkaError } from '../../errors.js'
import type { Api, RequestOf, ResponseOf } from '../../protocol/message.js'
import type { DeleteGroups } from '../../protocol/messages/delete-groups.js'
import type { DescribeGroups } from '../../protocol/messages/describe-groups.js'
import type { FindCoordinator } from '../../protocol/messages/find-coordinator.js'
import type { JoinGroup } from '../../protocol/messages/join-group.js'
import type { ListGroups } from '../../protocol/messages/list-groups.js'
import type { OffsetCommit } from '../../protocol/messages/offset-commit.js'
import type { OffsetDelete } from '../../protocol/messages/offset-delete.js'
import type { OffsetFetch } from '../../protocol/messages/offset-fetch.js'
import { operationsNotAsked } from '../authorized-operations.js'
import {
  clusterDenied,
  type Guard,
  type Guarded,
  groupDenied,
  inOrder,
  namesOf,
  parted,
  passing,
  permitting,
  topicDenied,
  transactionalIdDenied
} from './guard.js'

/** For requests of members of a group, whose response is an error and little else. */
export function memberGuard<A extends Api>(refused: (request: RequestOf<A>, apiVersion: number) => ResponseOf<A>): Guard<A> {
  return ({ access, request, context, answer }) => {
    const { groupId } = request as object as { readonly groupId: string }
    return whenThere(access.may('read', 'group', groupId), isAllowed =>
      isAllowed ? answer(request) : refused(request, context.apiVersion)
    )
  }
}

/** From this version on the protocol of an answer may be null. */
const nullableProtocolVersion = 7

const joinsAsMember: Guard<typeof JoinGroup> = memberGuard((_request, apiVersion) => ({
  errorCode: groupDenied,
  protocolName: apiVersion >= nullableProtocolVersion ? null : '',
  leader: '',
  memberId: '',
  members: []
}))

/**
 * As Kafka, takes in a member that subscribes to topics that it may not read; but the group is no
 * reader of them then.
 */
export const joinGroupGuard: Guard<typeof JoinGroup> = guarded => {
  const { access, node, request } = guarded
  const { groupId } = request
  const { readers } = node.backlog
  const asked = topicsAskedFor(request)
  const join = (joining: RequestOf<typeof JoinGroup>) =>
    whenThere(access.which('read', 'topic', asked), readable => {
      readers.rights.joins(groupId, asked, readable)
      return whenThere(guarded.answer(joining), response => {
        if (response.errorCode !== 0 && node.groups.liveTopics(groupId) === undefined) readers.rights.forget(groupId)
        return response
      })
    })
  return joinsAsMember({ ...guarded, answer: join })
}

/** A topic without a name and an id has an empty name, which may be refused like any other. */
function named<T extends { readonly name?: string }>(topic: T): T & { readonly name: string } {
  return { ...topic, name: topic.name ?? '' }
}

export const offsetCommitGuard: Guard<typeof OffsetCommit> = async ({ access, node, request, answer }) => {
  type Topic = (typeof request.topics)[number]
  const refuseWith =
    (errorCode: number) =>
    ({ name = '', topicId = zeroUuid, partitions }: Topic) => {
      return { name, topicId, partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })) }
    }
  if (!(await access.may('read', 'group', request.groupId))) return { topics: request.topics.map(refuseWith(groupDenied)) }
  const topics = request.topics.map(named)
  const passes = passing(node, await access.which('read', 'topic', namesOf(node, topics)))
  const passed = topics.filter(passes)
  const response = passed.length === 0 && topics.length > 0 ? { topics: [] } : await answer({ ...request, topics: passed })
  return { ...response, topics: inOrder(topics, passes, response.topics, refuseWith(topicDenied)) }
}

export const offsetDeleteGuard: Guard<typeof OffsetDelete> = async ({ access, request, answer }) => {
  if (!(await access.may('delete', 'group', request.groupId))) return { errorCode: groupDenied, topics: [] }
  const passes = await permitting(access, 'read', 'topic', request.topics, ({ name }) => name)
  const response = await answer({ ...request, topics: request.topics.filter(passes) })
  if (response.errorCode !== 0) return response
  const topics = inOrder(request.topics, passes, response.topics, ({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode: topicDenied }))
  }))
  return { ...response, topics }
}

type OffsetsRequest = RequestOf<typeof OffsetFetch>
type GroupRequest = NonNullable<OffsetsRequest['groups']>[number]
type GroupResponse = NonNullable<ResponseOf<typeof OffsetFetch>['groups']>[number]

/** Before this version a request asked for one group, at its top. */
const manyGroupsVersion = 8
/** Before this version an answer had errors of partitions only. */
const topErrorVersion = 2

export const offsetFetchGuard: Guard<typeof OffsetFetch> = async guarded => {
  const { access, request, context, answer } = guarded
  const { groups = [], groupId = '', topics = [] } = request
  if (groups.length > 0 || (context.apiVersion >= manyGroupsVersion && groupId === ''))
    return { groups: await Promise.all(groups.map(group => offsetsOf(guarded, group))) }
  if (!(await access.may('describe', 'group', groupId))) {
    const denied = context.apiVersion < topErrorVersion ? (topics ?? []).map(unfetched(groupDenied)) : []
    return { errorCode: groupDenied, topics: denied }
  }
  if (topics === null) {
    const response = await answer(request)
    const isShown = await permitting(access, 'describe', 'topic', response.topics ?? [], ({ name }) => name)
    return { ...response, topics: response.topics?.filter(isShown) }
  }
  const passes = await permitting(access, 'describe', 'topic', topics, ({ name }) => name)
  const response = await answer({ ...request, topics: topics.filter(passes) })
  if (response.errorCode !== 0) return response
  return { ...response, topics: inOrder(topics, passes, response.topics ?? [], unfetched(topicDenied)) }
}

async function offsetsOf({ access, node, request, answer }: Guarded<typeof OffsetFetch>, group: GroupRequest): Promise<GroupResponse> {
  const { groupId } = group
  if (!(await access.may('describe', 'group', groupId))) return { groupId, errorCode: groupDenied, topics: [] }
  const ask = async (wanted: GroupRequest) => (await answer({ ...request, groups: [wanted] })).groups![0]
  if (group.topics === null) {
    const response = await ask(group)
    const isShown = await permitting(access, 'describe', 'topic', response.topics, ({ name = '' }) => name)
    return { ...response, topics: response.topics.filter(isShown) }
  }
  const topics = group.topics.map(named)
  const passes = passing(node, await access.which('describe', 'topic', namesOf(node, topics)))
  const response = await ask({ ...group, topics: topics.filter(passes) })
  if (response.errorCode !== 0) return response
  return { ...response, topics: inOrder(topics, passes, response.topics, unfetched(topicDenied)) }
}

function unfetched(errorCode: number) {
  return ({ name = '', topicId = zeroUuid, partitionIndexes }: { name?: string; topicId?: string; partitionIndexes: number[] }) => {
    const partitions = partitionIndexes.map(partitionIndex => {
      return { partitionIndex, committedOffset: -1, committedLeaderEpoch: -1, metadata: '', errorCode }
    })
    return { name, topicId, partitions }
  }
}

const keyTypes = { group: 0, transaction: 1, share: 2 } as const

export const findCoordinatorGuard: Guard<typeof FindCoordinator> = async ({ access, request, context, answer }) => {
  const { key = '', keyType = keyTypes.group, coordinatorKeys = [] } = request
  const isGroup = keyType === keyTypes.group
  const isShare = keyType === keyTypes.share
  if (!isGroup && !isShare && keyType !== keyTypes.transaction) return answer(request)
  const errorCode = isGroup ? groupDenied : isShare ? clusterDenied : transactionalIdDenied
  const nobody = { nodeId: -1, host: '', port: -1 }
  const asksOnTop = coordinatorKeys.length === 0 && (key !== '' || context.apiVersion < 4)
  const keys = asksOnTop ? [key] : coordinatorKeys
  const allowed = isShare
    ? new Set((await access.mayCluster('clusterAction')) ? keys : [])
    : await access.which('describe', isGroup ? 'group' : 'transactionalId', keys)
  if (asksOnTop) {
    if (allowed.has(key)) return answer(request)
    const errorMessage = KafkaError.fromNumber(errorCode).message
    return { errorCode, errorMessage, ...nobody, coordinators: [{ key, errorCode, errorMessage, ...nobody }] }
  }
  const [passed, denied] = parted(coordinatorKeys, each => allowed.has(each))
  const answered = passed.length === 0 && denied.length > 0 ? { coordinators: [] } : await answer({ ...request, coordinatorKeys: passed })
  const coordinators = inOrder(
    coordinatorKeys,
    each => allowed.has(each),
    answered.coordinators ?? [],
    each => {
      return { key: each, errorCode, errorMessage: null, ...nobody }
    }
  )
  return { ...answered, coordinators }
}

export const describeGroupsGuard: Guard<typeof DescribeGroups> = async ({ access, request, answer }) => {
  const allowed = await access.which('describe', 'group', request.groups)
  const passes = (groupId: string) => allowed.has(groupId)
  const response = await answer({ ...request, groups: request.groups.filter(passes) })
  for (const group of response.groups)
    if ((group.authorizedOperations ?? operationsNotAsked) !== operationsNotAsked)
      group.authorizedOperations = await access.operationsOn('group', group.groupId)
  const refuse = (groupId: string) => {
    return { errorCode: groupDenied, groupId, groupState: '', protocolType: '', protocolData: '', members: [] }
  }
  return { ...response, groups: inOrder(request.groups, passes, response.groups, refuse) }
}

/**
 * A client that may describe the cluster sees all groups; others see those that they may describe.
 */
export const listGroupsGuard: Guard<typeof ListGroups> = async ({ access, request, answer }) => {
  const response = await answer(request)
  if (await access.mayCluster('describe')) return response
  const isShown = await permitting(access, 'describe', 'group', response.groups, ({ groupId }) => groupId)
  return { ...response, groups: response.groups.filter(isShown) }
}

export const deleteGroupsGuard: Guard<typeof DeleteGroups> = async ({ access, request, answer }) => {
  const allowed = await access.which('delete', 'group', request.groupsNames)
  const passes = (groupId: string) => allowed.has(groupId)
  const response = await answer({ groupsNames: request.groupsNames.filter(passes) })
  const results = inOrder(request.groupsNames, passes, response.results, groupId => ({ groupId, errorCode: groupDenied }))
  return { ...response, results }
}
