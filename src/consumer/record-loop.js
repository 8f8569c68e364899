import { LoopReader } from './loop-reader.js';
import { decodeRecord } from './record-decoder.js';
/** `for await` over records. */
export class RecordLoop extends LoopReader {
    handOut(partition, fetched) {
        const record = decodeRecord(partition, fetched);
        partition.position = record.offset + 1;
        partition.leaderEpoch = record.leaderEpoch;
        return record;
    }
}
