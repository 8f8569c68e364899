import { partitionKey } from './assigned-partition.js';
/** The partitions that a consumer reads at present, and which of them have something to hand out. */
export class Assignment {
    #partitions = new Map();
    /** In the order in which they were fetched; may hold partitions that have nothing any more. */
    #ready = [];
    get size() {
        return this.#partitions.size;
    }
    [Symbol.iterator]() {
        return this.#partitions.values();
    }
    get(topic, partition) {
        return this.#partitions.get(partitionKey(topic, partition));
    }
    has(partition) {
        return this.#partitions.get(partition.name) === partition;
    }
    add(partition) {
        this.#partitions.set(partition.name, partition);
    }
    remove(partition) {
        if (!this.has(partition))
            return;
        this.#partitions.delete(partition.name);
        partition.discard();
    }
    /** The ones that are meant, all of them when none are named. Throws a `TypeError` for one that is not assigned. */
    select(partitions) {
        if (partitions === undefined)
            return [...this];
        return partitions.map(({ topic, partition }) => {
            const found = this.get(topic, partition);
            if (!found)
                throw new TypeError(`Expected a partition that is assigned to this consumer, got ${topic}-${partition}`);
            return found;
        });
    }
    /** Says that a partition has something to hand out. */
    ready(partition) {
        this.#ready.push(partition);
    }
    /** The next partition with something to hand out, in turn; it stands in line again after another `ready`. */
    nextReady() {
        for (;;) {
            const partition = this.#ready.shift();
            if (partition === undefined)
                return undefined;
            if (partition.isReady && partition.isFlowing && this.has(partition))
                return partition;
        }
    }
    toArray() {
        return named(this);
    }
}
/** Just the names of partitions, for users. */
export function named(partitions) {
    return Array.from(partitions, ({ topic, partition }) => ({ topic, partition }));
}
