import { Backoff } from '../client/retry.js';
import { isPromise } from '../common/deferred.js';
import { RejectedRecordError } from './rejection.js';
/** Handles one item at a time to its end: handler, retries, dead letter. What fails after all that is thrown. */
export class Handling {
    #options;
    #attempts;
    #backoff;
    #firstTry;
    constructor(options) {
        const { retry, clock, random, signal } = options;
        this.#options = options;
        this.#attempts = retry ? (retry.attempts ?? 3) : 1;
        this.#backoff = new Backoff(clock, random, {
            retryBackoffMs: retry?.backoffMs ?? 100,
            retryBackoffMaxMs: retry?.maxBackoffMs ?? 10_000
        });
        this.#firstTry = Object.freeze({ attempt: 1, signal });
    }
    handle(item) {
        let result;
        try {
            result = this.#options.handler(item, this.#firstTry);
        }
        catch (error) {
            return this.#failed(item, error);
        }
        if (isPromise(result))
            return result.then(ignore, error => this.#failed(item, error));
    }
    async #failed(item, firstError) {
        const { handler, giveUp, signal } = this.#options;
        // The user chose that such a record stops everything; no retry makes it another.
        if (firstError instanceof RejectedRecordError)
            throw firstError;
        let error = firstError;
        for (let failures = 1; failures < this.#attempts; failures++) {
            await this.#backoff.wait(failures, signal);
            try {
                await handler(item, { attempt: failures + 1, signal });
                return;
            }
            catch (reason) {
                error = reason;
            }
        }
        signal.throwIfAborted();
        if (giveUp === undefined)
            throw error;
        await giveUp(item, error);
    }
}
function ignore() { }
