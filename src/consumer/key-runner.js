import { readText } from '../common/bytes.js';
import { isPromise } from '../common/deferred.js';
import { decodeRecord } from './record-decoder.js';
import { Runner } from './runner.js';
/** Records that may wait for a handler, per handler. */
const waitingPerHandler = 16;
/**
 * Handles the records of each key, within a partition, one after the other, and up to `concurrency` keys at once. A partition counts as
 * handled up to its first record that is not: what was handled beyond that comes again after a restart.
 */
export class KeyRunner extends Runner {
    #handling;
    /** By partition and key: the one that is being handled comes first. */
    #lanes = new Map();
    /** First tasks of lanes that wait for a handler. */
    #waiting = [];
    /** What was taken of each partition and is not all handled, in order. */
    #taken = new Map();
    #taskCount = 0;
    #rejecting = 0;
    constructor(owner, handling, concurrency, handlers, signal) {
        super(owner, concurrency, handlers, signal);
        this.#handling = handling;
    }
    interrupt() {
        for (const partition of this.#taken.keys())
            if (!this.owner.assignment.has(partition))
                this.#taken.delete(partition);
    }
    dispatch() {
        this.#startWaiting();
        while (!this.isStopping && this.#taskCount < this.concurrency * waitingPerHandler) {
            const partition = this.owner.assignment.nextReady();
            if (partition === undefined)
                return;
            const fetched = partition.take();
            if (!fetched.next()) {
                this.exhausted(partition, fetched);
                if (!this.#taken.get(partition)?.length)
                    partition.handled = partition.position;
                continue;
            }
            this.#take(partition, fetched);
            this.owner.assignment.ready(partition);
        }
    }
    #take(partition, fetched) {
        const { cursor } = fetched;
        const { offset } = cursor;
        const lane = `${partition.name}/${laneOf(cursor.bytes, cursor.keyStart, cursor.keyLength, offset)}`;
        let record;
        let rejected;
        try {
            record = decodeRecord(partition, fetched);
        }
        catch (error) {
            const pending = this.owner.reject(partition, fetched, error);
            if (isPromise(pending))
                rejected = pending;
        }
        partition.position = offset + 1;
        partition.leaderEpoch = fetched.leaderEpoch;
        const task = { partition, offset, jumps: partition.jumps, record, lane, isHandled: false };
        const taken = this.#taken.get(partition);
        if (taken)
            taken.push(task);
        else
            this.#taken.set(partition, [task]);
        this.#taskCount++;
        if (record === undefined)
            return this.#settleRejected(task, rejected);
        const queue = this.#lanes.get(lane);
        if (queue)
            queue.push(task);
        else {
            this.#lanes.set(lane, [task]);
            this.#waiting.push(task);
            this.#startWaiting();
        }
    }
    #settleRejected(task, rejected) {
        if (rejected === undefined)
            return this.#handled(task);
        const number = this.handedOut(task.partition);
        this.#rejecting++;
        rejected
            .then(() => this.#handled(task), error => this.fail(error))
            .finally(() => {
            this.#rejecting--;
            this.handedBack(number);
            this.wake();
        });
    }
    #startWaiting() {
        while (!this.isStopping && this.#waiting.length > 0 && this.activeCount - this.#rejecting < this.concurrency) {
            void this.#work(this.#waiting.shift());
        }
    }
    async #work(task) {
        const { partition } = task;
        let number = -1;
        try {
            if (task.jumps === partition.jumps && !partition.revoking && this.owner.assignment.has(partition)) {
                number = this.handedOut(partition);
                const handled = this.#handling.handle(task.record);
                if (isPromise(handled))
                    await handled;
                this.#handled(task);
            }
            else
                this.#taskCount--;
        }
        catch (error) {
            this.fail(error);
        }
        finally {
            this.#nextOf(task.lane);
            this.handedBack(number);
            this.wake();
        }
    }
    #nextOf(lane) {
        const queue = this.#lanes.get(lane);
        queue.shift();
        if (queue.length === 0)
            this.#lanes.delete(lane);
        else
            this.#waiting.push(queue[0]);
    }
    /** Moves what counts as handled up to the first record that is not. */
    #handled(task) {
        const { partition } = task;
        task.isHandled = true;
        this.#taskCount--;
        const taken = this.#taken.get(partition);
        if (task.jumps !== partition.jumps || taken === undefined)
            return;
        let count = 0;
        while (count < taken.length && (taken[count].isHandled || taken[count].jumps !== partition.jumps))
            count++;
        if (count === 0)
            return;
        const last = taken[count - 1];
        taken.splice(0, count);
        if (taken.length > 0)
            partition.handled = last.offset + 1;
        else {
            this.#taken.delete(partition);
            partition.handled = partition.position;
        }
    }
}
/** Records without a key need not wait for each other. */
function laneOf(bytes, start, length, offset) {
    return length < 0 ? `#${offset}` : `=${readText(bytes, start, start + length)}`;
}
