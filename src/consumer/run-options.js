import { expectFunction, expectInteger, expectKnownKeys, expectOneOf, shown } from '../common/options.js';
const names = ['eachRecord', 'eachBatch', 'concurrency', 'orderBy', 'retry', 'deadLetter', 'signal'];
export function expectRunOptions(options) {
    if (typeof options !== 'object' || options === null)
        throw new TypeError(`Expected the options of run to be an object, got ${shown(options)}`);
    expectKnownKeys('run', options, names);
    const { eachRecord, eachBatch, concurrency, orderBy, retry, deadLetter } = options;
    if ((eachRecord === undefined) === (eachBatch === undefined))
        throw new TypeError('Expected one of `eachRecord` and `eachBatch`');
    if (eachRecord !== undefined)
        expectFunction('eachRecord', eachRecord);
    if (eachBatch !== undefined)
        expectFunction('eachBatch', eachBatch);
    if (concurrency !== undefined)
        expectInteger('concurrency', concurrency, 1);
    if (orderBy !== undefined)
        expectOneOf('orderBy', orderBy, ['partition', 'key']);
    if (orderBy === 'key' && eachBatch)
        throw new TypeError("Expected `eachRecord` with `orderBy: 'key'`: the records of a batch have several keys");
    if (retry !== undefined) {
        expectKnownKeys('retry', retry, ['attempts', 'backoffMs', 'maxBackoffMs']);
        if (retry.attempts !== undefined)
            expectInteger('retry.attempts', retry.attempts, 1);
        if (retry.backoffMs !== undefined)
            expectInteger('retry.backoffMs', retry.backoffMs, 0);
        if (retry.maxBackoffMs !== undefined)
            expectInteger('retry.maxBackoffMs', retry.maxBackoffMs, 0);
    }
    if (deadLetter === undefined || typeof deadLetter === 'function')
        return;
    expectKnownKeys('deadLetter', deadLetter, ['topic', 'producer']);
    expectFunction('deadLetter.producer.send', deadLetter.producer?.send);
}
