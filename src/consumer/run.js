import { isPromise } from '../common/deferred.js';
import { batchAt } from './batch-loop.js';
import { deadLetterSink } from './dead-letter.js';
import { Handling } from './handling.js';
import { KeyRunner } from './key-runner.js';
import { PartitionRunner } from './partition-runner.js';
import { decodeRecord } from './record-decoder.js';
/** Runs handlers until the consumer is closed, the signal aborts, or something fails for good. */
export async function run(consumption, options) {
    const { concurrency = 1, orderBy = 'partition', retry, signal } = options;
    const { clock, random } = consumption;
    const handlers = new AbortController();
    const common = { retry, clock, random, signal: handlers.signal };
    const toDeadLetters = options.deadLetter && deadLetterSink(options.deadLetter, topic => consumption.serdesOf(topic));
    const runner = orderBy === 'key'
        ? new KeyRunner(consumption, recordHandling(options, common, toDeadLetters), concurrency, handlers, signal)
        : new PartitionRunner(consumption, items(consumption, options, common, toDeadLetters), concurrency, handlers, signal);
    if (toDeadLetters)
        consumption.fallbackRejection = rejected => toDeadLetters(rejected, rejected.error);
    try {
        await runner.run();
    }
    finally {
        consumption.fallbackRejection = 'fail';
    }
}
function recordHandling(options, common, giveUp) {
    const handler = options.eachRecord;
    return new Handling({ ...common, handler, giveUp });
}
function items(consumption, options, common, toDeadLetters) {
    if (options.eachRecord)
        return new EachRecord(consumption, recordHandling(options, common, toDeadLetters));
    const handler = options.eachBatch;
    const giveUp = toDeadLetters && ((batch, error) => eachToDeadLetters(batch, error, toDeadLetters));
    return new EachBatch(consumption, new Handling({ ...common, handler, giveUp }));
}
async function eachToDeadLetters(batch, error, toDeadLetters) {
    for (const record of batch)
        await toDeadLetters(record, error);
}
class EachRecord {
    #consumption;
    #handling;
    constructor(consumption, handling) {
        this.#consumption = consumption;
        this.#handling = handling;
    }
    handle(partition, fetched) {
        let record;
        try {
            record = decodeRecord(partition, fetched);
        }
        catch (error) {
            const rejected = this.#consumption.reject(partition, fetched, error);
            partition.position = fetched.cursor.offset + 1;
            return rejected;
        }
        partition.position = record.offset + 1;
        partition.leaderEpoch = record.leaderEpoch;
        return this.#handling.handle(record);
    }
}
class EachBatch {
    #consumption;
    #handling;
    constructor(consumption, handling) {
        this.#consumption = consumption;
        this.#handling = handling;
    }
    handle(partition, fetched) {
        const batch = batchAt(this.#consumption, partition, fetched);
        const handled = this.#handling.handle(batch);
        return isPromise(handled) ? handled.then(() => batch.finish()) : batch.finish();
    }
}
