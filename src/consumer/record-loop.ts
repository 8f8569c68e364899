import type { AssignedPartition } from './assigned-partition.js'
import type { ConsumerRecord } from './consumer-record.js'
import type { FetchedRecords } from './fetched-records.js'
import { LoopReader } from './loop-reader.js'
import { decodeRecord } from './record-decoder.js'

/** `for await` over records. */
export class RecordLoop<K, V> extends LoopReader<ConsumerRecord<K, V>> {
  protected override handOut(partition: AssignedPartition, fetched: FetchedRecords): ConsumerRecord<K, V> {
    const record = decodeRecord(partition, fetched)
    partition.position = record.offset + 1
    partition.leaderEpoch = record.leaderEpoch
    return record as ConsumerRecord<K, V>
  }
}
