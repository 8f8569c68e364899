import type { TopicPartition } from '../assignor/assignor.js'
import { expectCallOptions } from '../client/retry.js'
import { shown } from '../common/options.js'
import { zeroUuid } from '../common/uuid.js'
import { errorNumber, KafkaError } from '../errors.js'
import type { ResponseOf } from '../protocol/message.js'
import { DescribeGroups } from '../protocol/messages/describe-groups.js'
import { OffsetCommit } from '../protocol/messages/offset-commit.js'
import { OffsetDelete } from '../protocol/messages/offset-delete.js'
import { OffsetFetch } from '../protocol/messages/offset-fetch.js'
import { type AdminContext, throwFailures } from './admin-context.js'
import type { AdminCallOptions } from './admin-options.js'
import { byTopic, expectPartitions, isDate, listOffsets, partitionsOf } from './partition-offsets.js'

export interface GroupOffset extends TopicPartition {
  /** Of the next record that the group will read. */
  readonly offset: number
  readonly leaderEpoch: number
  /** The text that was committed along with it. */
  readonly metadata: string
}

export interface ResetOffsetsOptions extends AdminCallOptions {
  /**
   * Topics (all of their partitions) or single partitions. Default: all partitions that the group
   * has committed offsets for.
   */
  readonly partitions?: readonly (string | TopicPartition)[]
  /**
   * The new position: the start or the end of each partition; the first record at or after a time,
   * or the end when there is none; or an offset, which is moved into the range of offsets that the
   * partition holds.
   */
  readonly to: 'earliest' | 'latest' | Date | number
}

export function expectResetOptions(options: ResetOffsetsOptions): void {
  expectCallOptions('resetGroupOffsets', options, { partitions: (_, value) => expectPartitions(value), to: expectTarget })
  expectTarget('to', options.to)
}

function expectTarget(name: string, to: unknown): void {
  if (to === 'earliest' || to === 'latest' || isDate(to)) return
  if (Number.isSafeInteger(to) && (to as number) >= 0) return
  throw new TypeError(`Expected \`${name}\` to be 'earliest', 'latest', a Date or an offset, got ${shown(to)}`)
}

export async function listGroupOffsets(context: AdminContext, groupId: string, options: AdminCallOptions): Promise<GroupOffset[]> {
  const request = { groups: [{ groupId, topics: null }], requireStable: false }
  const errorIn = ({ groups }: ResponseOf<typeof OffsetFetch>) => groups?.[0]?.errorCode
  const response = await context.call(options, limits => context.askCoordinator(groupId, OffsetFetch, request, limits, errorIn))
  return (response.groups?.[0]?.topics ?? []).flatMap(({ name = '', topicId = zeroUuid, partitions }) =>
    partitions
      .filter(({ committedOffset }) => committedOffset >= 0)
      .map(({ partitionIndex, committedOffset, committedLeaderEpoch = -1, metadata }) => ({
        topic: name || (context.metadata.nameOf(topicId) ?? topicId),
        partition: partitionIndex,
        offset: committedOffset,
        leaderEpoch: committedLeaderEpoch,
        metadata: metadata ?? ''
      }))
  )
}

export async function resetGroupOffsets(context: AdminContext, groupId: string, options: ResetOffsetsOptions): Promise<GroupOffset[]> {
  const partitions = options.partitions
    ? await context.call(options, limits => partitionsOf(context, options.partitions ?? [], limits))
    : await listGroupOffsets(context, groupId, options)
  if (partitions.length === 0) return []
  await expectEmpty(context, groupId, options)
  const offsets = await targets(context, partitions, options)
  await commit(context, groupId, offsets, options)
  return offsets
}

/**
 * A commit from outside is refused only once it is too late to say why; so the group is asked
 * first.
 */
async function expectEmpty(context: AdminContext, groupId: string, options: AdminCallOptions): Promise<void> {
  await context.call(options, async limits => {
    const errorIn = ({ groups: [group] }: ResponseOf<typeof DescribeGroups>) =>
      group.errorCode === errorNumber('GROUP_ID_NOT_FOUND') ? 0 : group.errorCode
    const { groups } = await context.askCoordinator(groupId, DescribeGroups, { groups: [groupId] }, limits, errorIn)
    if (groups[0].members.length > 0) throw nonEmpty(groupId)
  })
}

async function targets(context: AdminContext, partitions: readonly TopicPartition[], options: ResetOffsetsOptions): Promise<GroupOffset[]> {
  const { to } = options
  const at = (spec: 'earliest' | 'latest' | Date) => {
    const wanted = partitions.map(({ topic, partition }) => ({ topic, partition, spec }))
    return listOffsets(context, wanted, { signal: options.signal, timeoutMs: options.timeoutMs })
  }
  const groupOffset = ({ topic, partition }: TopicPartition, offset: number, leaderEpoch: number) => {
    return { topic, partition, offset, leaderEpoch, metadata: '' }
  }
  if (to === 'earliest' || to === 'latest') return (await at(to)).map(found => groupOffset(found, found.offset, found.leaderEpoch))
  const latest = await at('latest')
  if (to instanceof Date) {
    const found = await at(to)
    return found.map((hit, i) => (hit.offset >= 0 ? groupOffset(hit, hit.offset, hit.leaderEpoch) : groupOffset(hit, latest[i].offset, -1)))
  }
  const earliest = await at('earliest')
  return latest.map((end, i) => groupOffset(end, Math.min(Math.max(to, earliest[i].offset), end.offset), -1))
}

async function commit(context: AdminContext, groupId: string, offsets: readonly GroupOffset[], options: AdminCallOptions): Promise<void> {
  const partitionOf = ({ partition, offset, leaderEpoch, metadata }: GroupOffset) => ({
    partitionIndex: partition,
    committedOffset: offset,
    committedLeaderEpoch: leaderEpoch,
    committedMetadata: metadata
  })
  const topics = byTopic(offsets, partitionOf).map(topic => ({ ...topic, topicId: context.metadata.topic(topic.name)?.id ?? zeroUuid }))
  const request = { groupId, generationIdOrMemberEpoch: -1, memberId: '', topics }
  const errorIn = ({ topics: answered }: ResponseOf<typeof OffsetCommit>) => {
    return answered.flatMap(({ partitions }) => partitions).find(({ errorCode }) => errorCode !== 0)?.errorCode
  }
  try {
    await context.call(options, limits => context.askCoordinator(groupId, OffsetCommit, request, limits, errorIn))
  } catch (error) {
    const wasJoined = error instanceof KafkaError && (error.code === 'UNKNOWN_MEMBER_ID' || error.code === 'ILLEGAL_GENERATION')
    throw wasJoined ? nonEmpty(groupId) : error
  }
}

function nonEmpty(groupId: string): KafkaError {
  return new KafkaError('NON_EMPTY_GROUP', `The group \`${groupId}\` has members; its offsets can be reset once they have left`)
}

export async function deleteGroupOffsets(
  context: AdminContext,
  groupId: string,
  given: readonly (string | TopicPartition)[],
  options: AdminCallOptions
): Promise<void> {
  const partitions = await context.call(options, limits => partitionsOf(context, given, limits))
  const request = { groupId, topics: byTopic(partitions, ({ partition }) => ({ partitionIndex: partition })) }
  const errorIn = ({ errorCode }: ResponseOf<typeof OffsetDelete>) => errorCode
  const { topics } = await context.call(options, limits => context.askCoordinator(groupId, OffsetDelete, request, limits, errorIn))
  const failures = topics.flatMap(({ name, partitions: answered }) =>
    answered
      .filter(({ errorCode }) => errorCode !== 0)
      .map(({ partitionIndex, errorCode }) => KafkaError.fromNumber(errorCode, null, { topic: name, partition: partitionIndex }))
  )
  throwFailures(failures)
}
