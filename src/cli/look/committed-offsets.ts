import { type GroupMetadata, type GroupRecord, readGroupRecord } from '../../coordinator/group/group-records.js'
import { KafkaError } from '../../errors.js'
import { groupOffsetsTopic } from '../../metadata/topic-name.js'
import { CommittedRecords } from '../../record/committed-records.js'
import type { LogRecord } from '../../record/record.js'
import { batchesOf } from './batches-of.js'
import { partitionFolders } from './data-directory.js'

/** A group as the records of `__consumer_offsets` leave it. */
export interface StoredGroup {
  readonly groupId: string
  /** Its members; undefined for a group that only has offsets. */
  metadata: GroupMetadata | undefined
  /** Committed offsets by topic and partition. */
  readonly offsets: Map<string, StoredOffset>
}

export interface StoredOffset {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly commitTimestamp: number
  readonly topicId: string
}

/** The groups of a data directory, by id. */
export async function storedGroups(directory: string, signal?: AbortSignal): Promise<Map<string, StoredGroup>> {
  const groups = new Map<string, StoredGroup>()
  for (const { topic, path } of partitionFolders(directory)) {
    if (topic !== groupOffsetsTopic) continue
    const committed = new CommittedRecords()
    for await (const batch of batchesOf(path, 0, signal)) replay(committed.take(batch), groups)
  }
  return groups
}

function replay(records: Iterable<LogRecord>, groups: Map<string, StoredGroup>): void {
  for (const record of records) {
    const read = groupRecordIn(record)
    if (!read) continue
    const { groupId } = read
    const group = groups.get(groupId) ?? { groupId, metadata: undefined, offsets: new Map() }
    groups.set(groupId, group)
    if (read.type === 'group') group.metadata = read.value ?? undefined
    else if (read.value) {
      const { topic, partition } = read
      const { offset, commitTimestamp, topicId } = read.value
      group.offsets.set(`${topic}-${partition}`, { topic, partition, offset, commitTimestamp, topicId })
    } else group.offsets.delete(`${read.topic}-${read.partition}`)
    if (!group.metadata && group.offsets.size === 0) groups.delete(groupId)
  }
}

/**
 * Kinds of groups that Kafka has and millrace has not are passed over, as are versions of a later
 * Kafka.
 */
function groupRecordIn(record: LogRecord): GroupRecord | undefined {
  try {
    return readGroupRecord(record)
  } catch (error) {
    if (error instanceof KafkaError) return undefined
    throw error
  }
}
