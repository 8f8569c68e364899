import { cooperativeStickyAssignor } from '../assignor/cooperative-sticky.js';
import { rangeAssignor } from '../assignor/range.js';
import { expectFunction, expectInteger, expectKnownKeys, expectOneOf, expectString, shown } from '../common/options.js';
import { bytes } from '../record/serde.js';
import { expectSelectors } from './subscription.js';
const defaults = Object.freeze({
    groupId: undefined,
    groupInstanceId: undefined,
    clientId: 'millrace',
    topics: undefined,
    key: bytes,
    value: bytes,
    assignors: Object.freeze([rangeAssignor, cooperativeStickyAssignor]),
    autoOffsetReset: 'latest',
    autoCommit: undefined,
    autoCommitIntervalMs: 5000,
    isolationLevel: 'read_uncommitted',
    fetchMinBytes: 1,
    fetchMaxWaitMs: 500,
    fetchMaxBytes: 50 * 1024 * 1024,
    maxPartitionFetchBytes: 1024 * 1024,
    maxPollRecords: 500,
    maxPollIntervalMs: 300_000,
    sessionTimeoutMs: 45_000,
    heartbeatIntervalMs: 3000,
    rebalanceTimeoutMs: undefined,
    metadataMaxAgeMs: 300_000,
    allowAutoTopicCreation: true,
    retryBackoffMs: 100,
    retryBackoffMaxMs: 1000,
    checkCrcs: false,
    rejection: undefined,
    onAssigned: undefined,
    onRevoked: undefined,
    onLost: undefined
});
const smallest = {
    autoCommitIntervalMs: 1,
    fetchMinBytes: 0,
    fetchMaxWaitMs: 0,
    fetchMaxBytes: 1,
    maxPartitionFetchBytes: 1,
    maxPollRecords: 1,
    maxPollIntervalMs: 1,
    sessionTimeoutMs: 1,
    heartbeatIntervalMs: 1,
    rebalanceTimeoutMs: 1,
    metadataMaxAgeMs: 1,
    retryBackoffMs: 0,
    retryBackoffMaxMs: 0
};
const largestInt32 = 2 ** 31 - 1;
/** Checks what a user gave, once, and fills in the rest. Throws a `TypeError` that names the option. */
export function consumerSettings(options) {
    if (typeof options !== 'object' || options === null)
        throw new TypeError(`Expected the consumer's options to be an object, got ${shown(options)}`);
    expectKnownKeys('consumer', options, Object.keys(defaults));
    const given = Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
    for (const name of ['groupId', 'groupInstanceId', 'clientId'])
        if (name in given)
            expectString(name, given[name]);
    if (given.topics !== undefined)
        expectSelectors('topics', given.topics);
    for (const [name, minimum] of Object.entries(smallest))
        if (name in given)
            expectInteger(name, given[name], minimum, largestInt32);
    for (const name of ['onAssigned', 'onRevoked', 'onLost'])
        if (name in given)
            expectFunction(name, given[name]);
    for (const name of ['autoCommit', 'allowAutoTopicCreation', 'checkCrcs'])
        if (name in given)
            expectOneOf(name, given[name], [true, false]);
    if (given.autoOffsetReset !== undefined)
        expectOneOf('autoOffsetReset', given.autoOffsetReset, ['earliest', 'latest', 'none']);
    if (given.isolationLevel !== undefined)
        expectOneOf('isolationLevel', given.isolationLevel, ['read_uncommitted', 'read_committed']);
    if (given.rejection !== undefined && typeof given.rejection !== 'function')
        expectOneOf('rejection', given.rejection, ['fail', 'skip']);
    for (const name of ['key', 'value'])
        if (name in given)
            expectFunction(`${name}.deserialize`, given[name]?.deserialize);
    if (given.assignors !== undefined)
        expectAssignors(given.assignors);
    const settings = { ...defaults, ...given };
    if (settings.autoCommit && settings.groupId === undefined)
        throw new TypeError('Expected a `groupId` along with `autoCommit`: offsets are committed to a group');
    if (settings.groupInstanceId !== undefined && settings.groupId === undefined)
        throw new TypeError('Expected a `groupId` along with `groupInstanceId`');
    if (settings.heartbeatIntervalMs >= settings.sessionTimeoutMs && settings.groupId !== undefined)
        throw new TypeError(`Expected \`heartbeatIntervalMs\` to be below \`sessionTimeoutMs\`, got ${settings.heartbeatIntervalMs} and ${settings.sessionTimeoutMs}`);
    return {
        ...settings,
        autoCommit: settings.autoCommit ?? settings.groupId !== undefined,
        rebalanceTimeoutMs: settings.rebalanceTimeoutMs ?? settings.maxPollIntervalMs
    };
}
function expectAssignors(assignors) {
    if (!Array.isArray(assignors) || assignors.length === 0)
        throw new TypeError(`Expected \`assignors\` to be a list of assignors, got ${shown(assignors)}`);
    for (const assignor of assignors) {
        expectString('assignors[].name', assignor?.name);
        expectFunction('assignors[].assign', assignor.assign);
    }
}
