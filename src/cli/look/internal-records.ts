import { readGroupRecord } from '../../coordinator/group/group-records.js'
import { decodeMetadataRecord } from '../../metadata/records.js'
import { clusterMetadataTopic, groupOffsetsTopic } from '../../metadata/topic-name.js'
import { controlTypeOf } from '../../record/control-record.js'
import type { LogRecord } from '../../record/record.js'

/**
 * The meaning of a record of one of Kafka's own topics; undefined for a user's record, and for a
 * kind that is not known here.
 */
export function meaningOf(topic: string, record: LogRecord, isControl: boolean): object | undefined {
  try {
    if (isControl) return { control: controlTypeOf(record.key) }
    if (topic === groupOffsetsTopic) return readGroupRecord(record)
    if (topic === clusterMetadataTopic) return record.value ? decodeMetadataRecord(record.value) : undefined
  } catch {
    // Kafka has kinds of records that millrace has not.
  }
  return undefined
}
