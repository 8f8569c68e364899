import { readText } from '../common/bytes.js';
import { string } from '../record/serde.js';
import { ConsumerRecord } from './consumer-record.js';
const noHeaders = Object.freeze([]);
/** The current record of what was fetched, with everything decoded or copied. Throws what a serde throws. */
export function decodeRecord(partition, fetched) {
    const { cursor } = fetched;
    return new ConsumerRecord(partition.topic, partition.partition, cursor.offset, cursor.timestamp, decodeField(partition.serdes.key, cursor.bytes, cursor.keyStart, cursor.keyLength), decodeField(partition.serdes.value, cursor.bytes, cursor.valueStart, cursor.valueLength), cursor.headerCount === 0 ? noHeaders : copyHeaders(cursor), fetched.leaderEpoch);
}
/** Text, which most keys and many values are, is read without making a view of its bytes first. */
export function decodeField(serde, bytes, start, length) {
    if (length < 0)
        return null;
    if (serde === string)
        return readText(bytes, start, start + length);
    return serde.deserialize(bytes.subarray(start, start + length));
}
/** The current record of what was fetched as it stands, in copies, for whoever deals with records that cannot be decoded. */
export function rejectedRecord(partition, fetched, error) {
    const { cursor } = fetched;
    return {
        topic: partition.topic,
        partition: partition.partition,
        offset: cursor.offset,
        timestamp: cursor.timestamp,
        key: copyOf(cursor.key()),
        value: copyOf(cursor.value()),
        headers: copyHeaders(cursor),
        error
    };
}
export function copyHeaders(cursor) {
    return cursor.headers().map(({ key, value }) => ({ key, value: copyOf(value) }));
}
function copyOf(view) {
    return view && new Uint8Array(view);
}
