import { copyHeaders, decodeField, decodeRecord, rejectedRecord } from './record-decoder.js';
/**
 * Records of one partition that were fetched together, in order. Iterate it for records, which may be kept; or walk it with `cursor()`,
 * which makes no objects. Both can be done more than once, but only until the loop asks for the next batch.
 */
export class ConsumerBatch {
    topic;
    partition;
    /** The offset of its first record. */
    baseOffset;
    /** The offset to go on at, after its last record. */
    endOffset;
    recordCount;
    /** Where the partition ended when this was fetched. */
    highWatermark;
    #partition;
    #owner;
    #fetched;
    #rejections = [];
    #isUsed = false;
    #isFinished = false;
    /** How far the shared walk has come: records that it has not handed out. */
    #walk;
    constructor(owner, partition, fetched, recordCount, endOffset) {
        this.topic = partition.topic;
        this.partition = partition.partition;
        this.baseOffset = fetched.cursor.offset;
        this.endOffset = endOffset;
        this.recordCount = recordCount;
        this.highWatermark = partition.highWatermark;
        this.#owner = owner;
        this.#partition = partition;
        this.#fetched = fetched;
        this.#walk = new Walk(fetched, recordCount);
    }
    [Symbol.iterator]() {
        const walk = this.#newWalk();
        const decode = () => this.#decode(walk.fetched);
        return {
            [Symbol.iterator]() {
                return this;
            },
            next: () => {
                while (walk.next()) {
                    const record = decode();
                    if (record !== undefined)
                        return { done: false, value: record };
                }
                return { done: true, value: undefined };
            }
        };
    }
    /** Walks the records without making an object for any of them. */
    cursor() {
        return new BatchCursor(this.#newWalk(), this.#partition);
    }
    /** Called when the loop moves on: steps over what was not looked at, and waits for those who were handed rejected records. */
    finish() {
        if (this.#isFinished)
            return;
        this.#isFinished = true;
        while (this.#walk.next())
            ;
        if (this.#rejections.length > 0)
            return Promise.all(this.#rejections).then(() => { });
    }
    #newWalk() {
        if (this.#isFinished)
            throw new TypeError('A batch can only be read until the loop asks for the next one');
        if (this.#isUsed) {
            const again = this.#fetched.again(this.baseOffset);
            again.next();
            return new Walk(again, this.recordCount);
        }
        this.#isUsed = true;
        return this.#walk;
    }
    #decode(fetched) {
        try {
            return decodeRecord(this.#partition, fetched);
        }
        catch (error) {
            const rejection = this.#owner.rejected(rejectedRecord(this.#partition, fetched, error));
            if (rejection instanceof Promise) {
                rejection.catch(() => { });
                this.#rejections.push(rejection);
            }
            return undefined;
        }
    }
}
/** A walk over a number of records, which starts at the current one. */
class Walk {
    fetched;
    #left;
    #isFresh = true;
    constructor(fetched, recordCount) {
        this.fetched = fetched;
        this.#left = recordCount;
    }
    next() {
        if (this.#left === 0)
            return false;
        this.#left--;
        if (this.#isFresh) {
            this.#isFresh = false;
            return true;
        }
        return this.fetched.next();
    }
}
/**
 * Stands at one record of a batch at a time. What it tells holds until it moves; keys and values are decoded when they are asked for, and
 * what decoding throws is thrown there.
 *
 * ```ts
 * for (const cursor = batch.cursor(); cursor.next(); ) total += cursor.value().amount
 * ```
 */
export class BatchCursor {
    /** The record as it stands, for those who want its bytes in place. They are only lent: neither change nor keep them. */
    raw;
    #walk;
    #partition;
    /** Made by `ConsumerBatch.cursor()`. */
    constructor(walk, partition) {
        this.#walk = walk;
        this.#partition = partition;
        this.raw = walk.fetched.cursor;
    }
    /** Moves to the next record. Returns `false` after the last one. */
    next() {
        return this.#walk.next();
    }
    get offset() {
        return this.raw.offset;
    }
    /** Milliseconds since 1970; -1 when the record has none. */
    get timestamp() {
        return this.raw.timestamp;
    }
    get leaderEpoch() {
        return this.#walk.fetched.leaderEpoch;
    }
    key() {
        const { bytes, keyStart, keyLength } = this.raw;
        return decodeField(this.#partition.serdes.key, bytes, keyStart, keyLength);
    }
    value() {
        const { bytes, valueStart, valueLength } = this.raw;
        return decodeField(this.#partition.serdes.value, bytes, valueStart, valueLength);
    }
    headers() {
        return copyHeaders(this.raw);
    }
}
