import { expectInteger, expectKnownKeys } from '../../common/options.js'

/** The options of groups. In brackets Kafka's name for the setting. */
export interface GroupOptions {
  /**
   * Partitions of `__consumer_offsets`; decides where a group is kept, so it must not change for
   * data on disk (`offsets.topic.num.partitions`). Default: 50.
   */
  readonly offsetsTopicPartitions?: number
  /**
   * The time to wait for more members of an empty group, in ms; each new one extends it
   * (`group.initial.rebalance.delay.ms`). Default: 0, so that a join is done at once; Kafka's is
   * 3000.
   */
  readonly initialRebalanceDelayMs?: number
  /**
   * The shortest session timeout a member may ask for, in ms (`group.min.session.timeout.ms`).
   * Default: 6000.
   */
  readonly minSessionTimeoutMs?: number
  /**
   * The longest session timeout a member may ask for, in ms (`group.max.session.timeout.ms`).
   * Default: 30 minutes.
   */
  readonly maxSessionTimeoutMs?: number
  /** The most members of a group; more are refused (`group.max.size`). Default: 2^31 - 1. */
  readonly maxGroupSize?: number
  /**
   * The longest time that the JoinGroup of a new member waits, in ms; after that it has to ask
   * again. Default: 5 minutes.
   */
  readonly newMemberJoinTimeoutMs?: number
  /**
   * The longest text that may go with a committed offset, in characters
   * (`offset.metadata.max.bytes`). Default: 4096.
   */
  readonly maxOffsetMetadataLength?: number
  /**
   * The most groups (`millrace.max.groups`). More are refused: who joins with
   * GROUP_MAX_SIZE_REACHED, who commits with INVALID_COMMIT_OFFSET_SIZE. Default: 50000.
   */
  readonly maxGroups?: number
  /**
   * The most members of all groups together (`millrace.max.members`); more are refused with
   * GROUP_MAX_SIZE_REACHED. Default: 50000.
   */
  readonly maxMembers?: number
  /**
   * The most committed offsets of all groups (`millrace.max.committed.offsets`); more are refused
   * with INVALID_COMMIT_OFFSET_SIZE. Default: 500000.
   */
  readonly maxOffsets?: number
  /**
   * Bytes of all that clients say of groups (`millrace.max.group.bytes`): ids, subscriptions,
   * assignments, and the topics and metadata of commits. More is refused with the same errors.
   * Default: 64 MiB.
   */
  readonly maxBytes?: number
  /**
   * The time for which the offsets of a group that nobody uses are kept, in ms
   * (`offsets.retention.minutes`). Default: 7 days.
   */
  readonly offsetsRetentionMs?: number
  /**
   * The interval between searches for offsets to drop, in ms
   * (`offsets.retention.check.interval.ms`). Default: 10 minutes.
   */
  readonly offsetsRetentionCheckIntervalMs?: number
}

export type CompleteGroupOptions = Required<GroupOptions>

const minuteMs = 60_000
const maxInt32 = 2 ** 31 - 1

export const groupDefaults: CompleteGroupOptions = Object.freeze({
  offsetsTopicPartitions: 50,
  initialRebalanceDelayMs: 0,
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 30 * minuteMs,
  maxGroupSize: maxInt32,
  newMemberJoinTimeoutMs: 5 * minuteMs,
  maxOffsetMetadataLength: 4096,
  maxGroups: 50_000,
  maxMembers: 50_000,
  maxOffsets: 500_000,
  maxBytes: 64 * 1024 * 1024,
  offsetsRetentionMs: 7 * 24 * 60 * minuteMs,
  offsetsRetentionCheckIntervalMs: 10 * minuteMs
})

/** `given` over the defaults, checked. */
export function completeGroupOptions(given: GroupOptions = {}): CompleteGroupOptions {
  expectKnownKeys('groups', given, Object.keys(groupDefaults))
  const options = { ...groupDefaults }
  for (const [name, value] of Object.entries(given)) if (value !== undefined) options[name as keyof GroupOptions] = value
  for (const [name, value] of Object.entries(options)) expectInteger(name, value, leastOf[name] ?? 0)
  expectInteger('maxSessionTimeoutMs', options.maxSessionTimeoutMs, options.minSessionTimeoutMs)
  return Object.freeze(options)
}

const leastOf: { readonly [name: string]: number } = {
  offsetsTopicPartitions: 1,
  minSessionTimeoutMs: 1,
  maxGroupSize: 1,
  newMemberJoinTimeoutMs: 1,
  offsetsRetentionMs: 1,
  offsetsRetentionCheckIntervalMs: 1
}
