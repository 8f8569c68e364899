import type { TopicPartition } from '../assignor/assignor.js'
import { expectPartition } from '../client/topic-partition.js'
import { grouped } from '../common/grouped.js'
import { expectInteger, expectList, shown } from '../common/options.js'
import { errorCodeOf, errorNumber, KafkaError } from '../errors.js'
import type { Broker } from '../protocol/broker.js'
import { DeleteRecords } from '../protocol/messages/delete-records.js'
import { ListOffsets } from '../protocol/messages/list-offsets.js'
import { type AdminContext, brokerTimeoutMs, type Limits, throwFailures } from './admin-context.js'
import type { AdminCallOptions } from './admin-options.js'

/**
 * A place in a partition: its start; its end; the record with the largest timestamp; or, by a time
 * (a `Date`, or milliseconds since 1970), the first record at or after it.
 */
export type OffsetSpec = 'earliest' | 'latest' | 'maxTimestamp' | Date | number

export interface ListedOffset extends TopicPartition {
  /** -1 where no record fits. */
  readonly offset: number
  /** Of the record that was found; -1 for the start and the end of a partition. */
  readonly timestamp: number
  readonly leaderEpoch: number
}

export interface ListOffsetsOptions extends AdminCallOptions {
  /**
   * `read_committed` ends before the first transaction that is still open. Default:
   * `'read_uncommitted'`.
   */
  readonly isolationLevel?: 'read_uncommitted' | 'read_committed'
}

/** All records of a partition that lie before an offset. */
export interface RecordsBefore extends TopicPartition {
  /** `'highWatermark'` for all there are. */
  readonly before: number | 'highWatermark'
}

const specialTimestamps = { latest: -1, earliest: -2, maxTimestamp: -3 } as const

export function expectPartitions(partitions: unknown): void {
  expectList('partitions', partitions, 'topic names and of { topic, partition }')
  for (const entry of partitions as unknown[]) if (typeof entry !== 'string') expectPartition(entry)
}

export function expectRecordsBefore(records: readonly RecordsBefore[]): void {
  expectList('records', records, '{ topic, partition, before }')
  for (const entry of records) {
    expectPartition(entry)
    if (entry.before === 'highWatermark') continue
    if (typeof entry.before === 'number') expectInteger('before', entry.before, 0)
    else throw new TypeError(`Expected \`before\` to be an offset or 'highWatermark', got ${shown(entry.before)}`)
  }
}

export function expectOffsetSpec(name: string, spec: unknown): void {
  if (spec === 'earliest' || spec === 'latest' || spec === 'maxTimestamp' || isDate(spec)) return
  if (Number.isSafeInteger(spec) && (spec as number) >= 0) return
  const expected = "'earliest', 'latest', 'maxTimestamp', a Date or milliseconds since 1970"
  throw new TypeError(`Expected \`${name}\` to be ${expected}, got ${shown(spec)}`)
}

/** A date with a time that records can have. */
export function isDate(value: unknown): value is Date {
  return value instanceof Date && value.getTime() >= 0
}

export async function listOffsets(
  context: AdminContext,
  wanted: readonly (TopicPartition & { readonly spec: OffsetSpec })[],
  options: ListOffsetsOptions
): Promise<ListedOffset[]> {
  const isolationLevel = options.isolationLevel === 'read_committed' ? 1 : 0
  return perLeader(context, wanted, options, async (leader, items, { signal }) => {
    const partitionOf = ({ partition, spec }: (typeof items)[number]) => ({ partitionIndex: partition, timestamp: timestampOf(spec) })
    const request = { replicaId: -1, isolationLevel, topics: byTopic(items, partitionOf), timeoutMs: brokerTimeoutMs }
    const { topics } = await leader.request(ListOffsets, request, signal)
    return topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, errorCode, offset = -1, timestamp = -1, leaderEpoch = -1 }) => ({
        errorCode,
        result: { topic: name, partition: partitionIndex, offset, timestamp, leaderEpoch }
      }))
    )
  })
}

export async function deleteRecords(
  context: AdminContext,
  wanted: readonly RecordsBefore[],
  options: AdminCallOptions
): Promise<(TopicPartition & { readonly logStartOffset: number })[]> {
  return perLeader(context, wanted, options, async (leader, items, { signal }) => {
    const partitionOf = ({ partition, before }: RecordsBefore) => ({
      partitionIndex: partition,
      offset: before === 'highWatermark' ? -1 : before
    })
    const request = { topics: byTopic(items, partitionOf), timeoutMs: brokerTimeoutMs }
    const { topics } = await leader.request(DeleteRecords, request, signal)
    return topics.flatMap(({ name, partitions }) =>
      partitions.map(({ partitionIndex, errorCode, lowWatermark }) => ({
        errorCode,
        result: { topic: name, partition: partitionIndex, logStartOffset: lowWatermark }
      }))
    )
  })
}

/** The partitions of topics: all of a topic given by name. */
export async function partitionsOf(
  context: AdminContext,
  given: readonly (string | TopicPartition)[],
  limits: Limits
): Promise<TopicPartition[]> {
  const whole = new Set(given.filter(item => typeof item === 'string'))
  const others = new Set(given.flatMap(item => (typeof item === 'string' || whole.has(item.topic) ? [] : item.topic)))
  // Others may have given a topic more partitions since.
  if (whole.size > 0) await context.metadata.refresh([...whole], { ...limits, allowAutoTopicCreation: false })
  if (others.size > 0) await context.metadata.ensure([...others], { ...limits, allowAutoTopicCreation: false })
  return given.flatMap(item => {
    if (typeof item !== 'string') return [item]
    return (context.metadata.topic(item)?.partitions ?? []).map(({ partition }) => ({ topic: item, partition }))
  })
}

function timestampOf(spec: OffsetSpec): number {
  return typeof spec === 'string' ? specialTimestamps[spec] : Number(spec)
}

interface Outcome<R> {
  readonly errorCode: number
  readonly result: R
}

/**
 * Sends each item to the broker that leads its partition, and asks again for those that it was the
 * wrong one for.
 */
async function perLeader<T extends TopicPartition, R extends TopicPartition>(
  context: AdminContext,
  items: readonly T[],
  options: AdminCallOptions,
  send: (leader: Broker, items: T[], limits: Limits) => Promise<Outcome<R>[]>
): Promise<R[]> {
  const results = new Map<string, R>()
  await context.call(options, async limits => {
    const open = items.filter(item => !results.has(keyOf(item)))
    const topics = [...new Set(open.map(({ topic }) => topic))]
    const looking = { ...limits, allowAutoTopicCreation: false }
    await context.metadata.ensure(topics, looking)
    // Partitions may have been added since a topic was last looked up.
    if (open.some(({ topic, partition }) => !context.metadata.partition(topic, partition))) await context.metadata.refresh(topics, looking)
    const byLeader = grouped(open, ({ topic, partition }) => context.leaderOf(topic, partition))
    const failures: KafkaError[] = []
    for (const [leader, ofLeader] of byLeader) {
      for (const { errorCode, result } of await send(leader, ofLeader, limits)) {
        if (errorCode === 0) results.set(keyOf(result), result)
        else failures.push(failureOf(context, errorCode, result))
      }
    }
    throwFailures(failures.sort((a, b) => Number(a.retriable) - Number(b.retriable)))
  })
  return items.map(item => results.get(keyOf(item)) as R)
}

function failureOf(context: AdminContext, errorCode: number, { topic, partition }: TopicPartition): KafkaError {
  const isStale = staleMetadata.has(errorCodeOf(errorCode))
  if (isStale) context.metadata.forget(topic)
  // The metadata knew this partition a moment ago: it may have moved, so it is worth another look.
  const code = isStale && errorCode === errorNumber('UNKNOWN_TOPIC_OR_PARTITION') ? 'NOT_LEADER_OR_FOLLOWER' : errorCodeOf(errorCode)
  return new KafkaError(code, undefined, { topic, partition })
}

const staleMetadata: ReadonlySet<string> = new Set([
  'UNKNOWN_TOPIC_OR_PARTITION',
  'NOT_LEADER_OR_FOLLOWER',
  'LEADER_NOT_AVAILABLE',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH'
])

function keyOf({ topic, partition }: TopicPartition): string {
  return `${topic}-${partition}`
}

/** The items as requests have them: topics, and in each its partitions. */
export function byTopic<T extends TopicPartition, P>(
  items: readonly T[],
  partitionOf: (item: T) => P
): { name: string; partitions: P[] }[] {
  return Array.from(
    grouped(items, ({ topic }) => topic),
    ([name, ofTopic]) => ({ name, partitions: ofTopic.map(partitionOf) })
  )
}
