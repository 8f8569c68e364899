import { deferred } from '../common/deferred.js';
import { KafkaError } from '../errors.js';
/**
 * What is behind `run`, whatever it keeps in order: takes records as handlers become free, and ends when it is closed, its signal aborts,
 * or something fails. It ends only once no handler is at work; then all that was handled is committed, and the rest comes again.
 */
export class Runner {
    owner;
    concurrency;
    #signal;
    #handlers;
    #onAbort = () => this.fail(this.#signal?.reason);
    #done = deferred();
    /** What the handlers have in hand, by a number of its own. */
    #inHand = new Map();
    #finishing = [];
    /** Handlers that are being called right now and have not returned. */
    calls = 0;
    #handouts = 0;
    #failure;
    #isStopping = false;
    #isEnded = false;
    #isPumping = false;
    #isPumpWanted = false;
    /** `handlers` aborts the signal that handlers are given. */
    constructor(owner, concurrency, handlers, signal) {
        this.owner = owner;
        this.concurrency = concurrency;
        this.#handlers = handlers;
        this.#signal = signal;
    }
    async run() {
        this.#signal?.throwIfAborted();
        this.owner.begin(this);
        this.#signal?.addEventListener('abort', this.#onAbort, { once: true });
        this.wake();
        await this.#done.promise;
    }
    wake() {
        this.#isPumpWanted = true;
        if (!this.#isPumping)
            void this.#pump();
    }
    interrupt() { }
    fail(error) {
        this.#failure ??= { error };
        this.#handlers.abort(error);
        this.#stop();
    }
    close(timeoutMs) {
        const timer = this.owner.clock.setTimer(timeoutMs, () => {
            this.#handlers.abort(new KafkaError('CLOSED', 'The consumer is closed'));
            this.#inHand.clear();
            this.#stop();
        });
        this.#stop();
        return this.#done.promise.catch(() => { }).finally(() => timer.cancel());
    }
    finish(partitions) {
        if (!this.#holds(partitions))
            return undefined;
        const finished = deferred();
        this.#finishing.push({ partitions, finished });
        return finished.promise;
    }
    acknowledge() { }
    inHand() {
        return this.#inHand.keys();
    }
    get isStopping() {
        return this.#isStopping;
    }
    /** How many handlers are at work. */
    get activeCount() {
        return this.#inHand.size;
    }
    /** A handler starts. Returns a number for `handedBack`. */
    handedOut(partition) {
        const number = this.#handouts++;
        this.#inHand.set(number, partition);
        return number;
    }
    /** A handler has ended, well or not. */
    handedBack(number) {
        this.#inHand.delete(number);
        for (const entry of [...this.#finishing]) {
            if (this.#holds(entry.partitions))
                continue;
            this.#finishing.splice(this.#finishing.indexOf(entry), 1);
            entry.finished.resolve();
        }
        if (this.#isStopping)
            this.#stop();
    }
    /** Whether records of this partition may still be handed to a handler. */
    mayHandOut(partition) {
        return !this.#isStopping && partition.isFlowing && this.owner.assignment.has(partition);
    }
    /** All of what was fetched has been handed out. */
    exhausted(partition, fetched) {
        partition.finishReading();
        fetched.release();
        if (partition.isReady)
            this.owner.assignment.ready(partition);
        this.owner.moveOn();
    }
    #holds(partitions) {
        for (const partition of this.#inHand.values())
            if (partitions.has(partition))
                return true;
        return false;
    }
    async #pump() {
        this.#isPumping = true;
        try {
            while (this.#isPumpWanted && !this.#isStopping) {
                const breath = this.owner.breath();
                if (breath !== undefined)
                    await breath;
                this.#isPumpWanted = false;
                this.dispatch();
            }
        }
        catch (error) {
            this.fail(error);
        }
        finally {
            this.#isPumping = false;
        }
    }
    #stop() {
        this.#isStopping = true;
        if (this.#inHand.size > 0 || this.calls > 0 || this.#isEnded)
            return;
        this.#isEnded = true;
        this.#signal?.removeEventListener('abort', this.#onAbort);
        for (const { finished } of this.#finishing.splice(0))
            finished.resolve();
        for (const partition of this.owner.assignment)
            if (partition.handled >= 0)
                partition.rewind();
        const { error } = this.#failure ?? {};
        const failed = this.#failure !== undefined;
        void this.owner.end(this).then(() => (failed ? this.#done.reject(error) : this.#done.resolve()));
    }
}
