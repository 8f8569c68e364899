import type { AssignedPartition } from './assigned-partition.js'
import type { FetchedRecords } from './fetched-records.js'
import { LoopReader } from './loop-reader.js'
import { decodeRecord } from './record-decoder.js'

/** `for await` over records. */
export class RecordLoop<R> extends LoopReader<R> {
  protected override handOut(partition: AssignedPartition, fetched: FetchedRecords): R {
    const record = decodeRecord(partition, fetched)
    partition.position = record.offset + 1
    partition.leaderEpoch = record.leaderEpoch
    return record as R
  }
}
