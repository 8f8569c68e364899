import type { AssignedPartition } from '../assigned-partition.js'
import type { FetchedRecords } from '../fetch/fetched-records.js'
import { decodeRecord } from '../fetch/record-decoder.js'
import { LoopReader } from './loop-reader.js'

/** `for await` over records. */
export class RecordLoop<R> extends LoopReader<R> {
  protected override handOut(partition: AssignedPartition, fetched: FetchedRecords): R {
    const { jumps } = partition
    const record = decodeRecord(partition, fetched)
    partition.handedOut(record.offset + 1, record.leaderEpoch, jumps)
    return record as R
  }
}
