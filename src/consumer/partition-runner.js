import { isPromise } from '../common/deferred.js';
import { Runner } from './runner.js';
/** Handles the items of each partition one after the other, and up to `concurrency` partitions at once. */
export class PartitionRunner extends Runner {
    #items;
    #busy = new Set();
    constructor(owner, items, concurrency, handlers, signal) {
        super(owner, concurrency, handlers, signal);
        this.#items = items;
    }
    dispatch() {
        while (!this.isStopping && this.#busy.size < this.concurrency) {
            const partition = this.owner.assignment.nextReady();
            if (partition === undefined)
                return;
            // One that is busy stands in line again when it is done.
            if (!this.#busy.has(partition))
                void this.#work(partition);
        }
    }
    #call(partition, fetched) {
        this.calls++;
        try {
            return this.#items.handle(partition, fetched);
        }
        finally {
            this.calls--;
        }
    }
    /** Goes through what was fetched of a partition, as long as it may. */
    async #work(partition) {
        this.#busy.add(partition);
        let number = -1;
        try {
            if (partition.reading === undefined) {
                partition.take();
                this.owner.moveOn();
            }
            const fetched = partition.reading;
            const { jumps } = partition;
            while (fetched !== undefined && partition.jumps === jumps && this.mayHandOut(partition)) {
                if (!fetched.next()) {
                    this.exhausted(partition, fetched);
                    partition.handled = partition.position;
                    break;
                }
                const handled = this.#call(partition, fetched);
                // What returns at once is never seen in hand.
                if (isPromise(handled)) {
                    number = this.handedOut(partition);
                    await handled;
                }
                if (partition.jumps === jumps)
                    partition.handled = partition.position;
                if (number >= 0)
                    this.handedBack(number);
                number = -1;
            }
        }
        catch (error) {
            this.fail(error);
        }
        finally {
            this.#busy.delete(partition);
            this.handedBack(number);
            if (partition.isReady)
                this.owner.assignment.ready(partition);
            this.wake();
        }
    }
}
