/** A record as a consumer gets it. It owns its memory and may be kept. */
export class ConsumerRecord {
    topic;
    partition;
    /** Its place in the partition. Offsets grow, but not always by one. */
    offset;
    /** Milliseconds since 1970; -1 when it has none. */
    timestamp;
    /** `null`, whatever the type says, when the record has no key. */
    key;
    /** `null`, whatever the type says, for a tombstone. Add `| null` to the type of a topic that has some. */
    value;
    headers;
    /** The epoch of the partition's leader that took it in; -1 when unknown. */
    leaderEpoch;
    constructor(topic, partition, offset, timestamp, key, value, headers, leaderEpoch) {
        this.topic = topic;
        this.partition = partition;
        this.offset = offset;
        this.timestamp = timestamp;
        this.key = key;
        this.value = value;
        this.headers = headers;
        this.leaderEpoch = leaderEpoch;
    }
}
