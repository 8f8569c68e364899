import { ConsumerBatch } from './consumer-batch.js';
import { LoopReader } from './loop-reader.js';
/** `for await` over batches. */
export class BatchLoop extends LoopReader {
    #batch;
    next() {
        const batch = this.#batch;
        if (batch === undefined)
            return super.next();
        this.#batch = undefined;
        try {
            const finished = batch.finish();
            if (finished instanceof Promise)
                return finished.then(() => super.next()).catch(error => this.#stop(error));
        }
        catch (error) {
            return this.#stop(error);
        }
        return super.next();
    }
    async return() {
        return super.return();
    }
    handOut(partition, fetched) {
        this.#batch = batchAt(this.owner, partition, fetched);
        return this.#batch;
    }
    /** What went wrong with the batch in hand leaves it unhandled. */
    async #stop(error) {
        await super.return();
        throw error;
    }
}
/** The batch that starts at the current record. */
export function batchAt(owner, partition, fetched) {
    const { recordCount, endOffset } = fetched.stretch(owner.settings.maxPollRecords);
    partition.position = endOffset;
    partition.leaderEpoch = fetched.leaderEpoch;
    return new ConsumerBatch(owner, partition, fetched, recordCount, endOffset);
}
