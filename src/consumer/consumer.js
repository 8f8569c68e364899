import { EventEmitter } from 'eventemitter3';
import { expectInteger, expectKnownKeys, shown } from '../common/options.js';
import { BatchLoop } from './batch-loop.js';
import { consumerSettings } from './consumer-options.js';
import { Consumption } from './consumption.js';
import { earliest, latest } from './offset-lookup.js';
import { RecordLoop } from './record-loop.js';
import { run } from './run.js';
import { expectRunOptions } from './run-options.js';
import { expectSelectors } from './subscription.js';
/**
 * Reads records from topics: alone, or sharing them with the other members of a group, which also remembers how far it came.
 *
 * ```ts
 * await using consumer = cluster.consumer({ groupId: 'billing', topics: ['orders'] })
 * for await (const record of consumer) await bill(record.value)
 * ```
 *
 * Delivery is at least once. With `autoCommit` the position of a group moves on only past records that have been handled, which is what
 * asking for the next one says: in a loop, when the body has run to its end. Leaving a loop says nothing, as a `break` and a throw look the
 * same; so the record in hand then is not committed, and the next loop, here or in another member, begins with it. Say `await
 * consumer.commit()` before a `break` to count it as handled. Without `autoCommit`, or without a group, the next loop goes on after it.
 *
 * A consumer joins its group, or looks up its topics, when it is first read, or when `start` says so. It has one reader at a time: a loop,
 * or `run`. What cannot go on is never silent: the loop, or `run`, rejects, and an `error` event is emitted.
 */
export class Consumer extends EventEmitter {
    #consumption;
    #closing;
    /** Use `cluster.consumer(options)`. */
    constructor(parts, options = {}) {
        super();
        const settings = consumerSettings(options);
        this.#consumption = new Consumption(parts, settings, (event, ...details) => this.emit(event, ...details));
        if (settings.topics)
            this.#consumption.subscribe(settings.topics);
    }
    // ---- reading
    /** Every record, in the order of each partition. Shorthand for `records()`. */
    [Symbol.asyncIterator]() {
        return this.records();
    }
    /** Every record, in the order of each partition; waits for more when there are none. Ends when the consumer is closed. */
    records(options) {
        return new RecordLoop(this.#consumption, loopOptions(options));
    }
    /** The same in batches of up to `maxPollRecords` records of one partition: the quick way. A batch is handled as a whole. */
    batches(options) {
        return new BatchLoop(this.#consumption, loopOptions(options));
    }
    /**
     * Has handlers called with records, or batches, as they come; resolves when the consumer is closed. What it takes care of, in order: decode
     * and validate (`rejection`), handle, retry in place (`retry`), dead letter (`deadLetter`), and only then commit.
     *
     * ```ts
     * await consumer.run({ eachRecord: record => ship(record.value), concurrency: 8, orderBy: 'key', retry: { attempts: 5 } })
     * ```
     *
     * Rejects with what a handler threw, when neither retries nor a dead letter mend it: other handlers are waited for, what was handled is
     * committed, and the next `run` or loop begins with what was not.
     */
    async run(options) {
        expectRunOptions(options);
        await run(this.#consumption, options);
    }
    /**
     * Joins the group, or takes the partitions, now rather than with the first record; resolves once it is known where to read. What is
     * sent after that is read, even where reading starts at the latest offset.
     */
    start(options = {}) {
        return this.#consumption.start(options.signal);
    }
    // ---- what to read
    /** Reads these topics instead of those before. Throws a `TypeError` after `assign`. */
    subscribe(topics) {
        const selectors = Array.isArray(topics) ? topics : [topics];
        expectSelectors('topics', selectors);
        this.#consumption.subscribe(selectors);
    }
    /** Gives up all topics and partitions, and leaves the group. */
    unsubscribe() {
        return this.#consumption.unsubscribe();
    }
    /** Reads just these partitions, without sharing them; offsets can still be committed to `groupId`. Throws a `TypeError` after `subscribe`. */
    assign(partitions) {
        expectPartitions(partitions);
        this.#consumption.assign(partitions);
    }
    /** The partitions that this consumer reads at present. */
    assignment() {
        return this.#consumption.assignment.toArray();
    }
    /** What identifies this member in its group at present; undefined outside of a group. */
    get memberId() {
        return this.#consumption.member?.committing().memberId || undefined;
    }
    /** Hands out nothing more of these partitions until `resume`. Default: all that are assigned. */
    pause(partitions) {
        this.#consumption.pause(this.#select(partitions));
    }
    resume(partitions) {
        this.#consumption.resume(this.#select(partitions));
    }
    paused() {
        return [...this.#consumption.assignment].filter(({ paused }) => paused).map(({ topic, partition }) => ({ topic, partition }));
    }
    // ---- positions
    /** Goes on reading at this offset of a partition. */
    seek({ topic, partition, offset }) {
        expectInteger('offset', offset, 0);
        const [assigned] = this.#select([{ topic, partition }]);
        this.#consumption.jump(assigned, offset);
    }
    /** Goes on at the first record that there is. Default: in all partitions that are assigned. */
    async seekToBeginning(partitions) {
        await this.#seekTo(earliest, partitions);
    }
    /** Goes on with what comes after the last record that there is now. */
    async seekToEnd(partitions) {
        await this.#seekTo(latest, partitions);
    }
    /** Goes on at the first record that is no older than `timestamp` (milliseconds since 1970), or at the end where there is none. */
    async seekToTimestamp(timestamp, partitions) {
        expectInteger('timestamp', timestamp, 0);
        await this.#seekTo(timestamp, partitions);
    }
    /** The offset of the next record to be handed out; undefined while it is not known. */
    position({ topic, partition }) {
        const [{ position }] = this.#select([{ topic, partition }]);
        return position < 0 ? undefined : position;
    }
    /** Where these partitions start. Default: those that are assigned. */
    async beginningOffsets(partitions = this.assignment()) {
        return (await this.#find(earliest, partitions)).map(partitionOffset);
    }
    /** Where these partitions end: the offset that the next record will get. Default: those that are assigned. */
    async endOffsets(partitions = this.assignment()) {
        return (await this.#find(latest, partitions)).map(partitionOffset);
    }
    /** The first offset at or after a time; -1 where no record is as late. Default: for the partitions that are assigned. */
    async offsetsForTimestamp(timestamp, partitions = this.assignment()) {
        expectInteger('timestamp', timestamp, 0);
        return this.#find(timestamp, partitions);
    }
    /** How far this consumer is behind the end of each of its partitions. */
    async lag() {
        const ends = await this.endOffsets();
        return ends.flatMap(({ topic, partition, offset }) => {
            const position = this.#consumption.assignment.get(topic, partition)?.position ?? -1;
            return position < 0 ? [] : [{ topic, partition, lag: Math.max(0, offset - position) }];
        });
    }
    // ---- commits
    /**
     * Commits offsets to the group: those given, each that of the next record to read; or, without any, all that was handed out, what is in
     * hand included. Waits for commits under way. Rejects with a `KafkaError` when the group refuses: ILLEGAL_GENERATION or
     * UNKNOWN_MEMBER_ID mean that the partitions have gone to others.
     */
    async commit(offsets, options = {}) {
        this.#expectGroup('commit');
        if (offsets !== undefined) {
            expectPartitions(offsets);
            for (const { offset } of offsets)
                expectInteger('offset', offset, 0);
            return this.#consumption.commit(offsets, options);
        }
        this.#consumption.acknowledge();
        await this.#consumption.commit(this.#consumption.handledOffsets(), options);
    }
    /** What the group has committed; partitions without a committed offset are left out. Default: of the partitions that are assigned. */
    async committed(partitions = this.assignment()) {
        this.#expectGroup('look up committed offsets');
        expectPartitions(partitions);
        const committed = await this.#consumption.committer?.committed(partitions);
        return [...(committed?.values() ?? [])];
    }
    // ---- the end
    /**
     * Commits what was handled, leaves the group, and ends loops and `run`, which finishes what it has in hand. Idempotent. Do not await it in
     * a handler of `run`: it waits for the handlers.
     */
    close(options = {}) {
        this.#closing ??= this.#close(options);
        return this.#closing;
    }
    [Symbol.asyncDispose]() {
        return this.close();
    }
    async #close({ timeoutMs = 30_000 }) {
        await this.#consumption.close(timeoutMs);
        this.emit('closed');
    }
    async #seekTo(timestamp, partitions) {
        const selected = this.#select(partitions);
        const jumps = selected.map(partition => partition.jumps);
        const found = await this.#find(timestamp, selected);
        const ends = timestamp >= 0 ? await this.#find(latest, selected) : found;
        for (const [index, partition] of selected.entries()) {
            // A seek in the meantime, or a rebalance, has the last word.
            if (partition.jumps !== jumps[index] || !this.#consumption.assignment.has(partition))
                continue;
            const { offset } = found[index];
            this.#consumption.jump(partition, offset >= 0 ? offset : ends[index].offset);
        }
    }
    async #find(timestamp, partitions) {
        this.#consumption.expectOpen();
        expectPartitions(partitions);
        return this.#consumption.lookup.find(partitions.map(({ topic, partition }) => ({ topic, partition, timestamp })));
    }
    #select(partitions) {
        this.#consumption.expectOpen();
        if (partitions !== undefined)
            expectPartitions(partitions);
        return this.#consumption.assignment.select(partitions);
    }
    #expectGroup(what) {
        this.#consumption.expectOpen();
        if (!this.#consumption.committer)
            throw new TypeError(`Expected a consumer with a \`groupId\`, to ${what}`);
    }
}
function loopOptions(options = {}) {
    expectKnownKeys('a loop', options, ['signal']);
    return options;
}
function expectPartitions(partitions) {
    if (!Array.isArray(partitions))
        throw new TypeError(`Expected a list of partitions, got ${shown(partitions)}`);
    for (const entry of partitions) {
        if (typeof entry?.topic !== 'string')
            throw new TypeError(`Expected partitions as { topic, partition }, got ${shown(entry)}`);
        expectInteger('partition', entry.partition, 0);
    }
}
function partitionOffset({ topic, partition, offset }) {
    return { topic, partition, offset };
}
