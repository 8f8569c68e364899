import { release } from '../common/lease.js';
import { errorCodeOf, errorNumber, KafkaError } from '../errors.js';
import { Fetch } from '../protocol/messages/fetch.js';
import { FetchedRecords } from './fetched-records.js';
const ok = 0;
const offsetOutOfRange = errorNumber('OFFSET_OUT_OF_RANGE');
/** A leader that moved, or a broker that does not know yet what another does: ask again who leads, without ado. */
const moved = new Set([
    'NOT_LEADER_OR_FOLLOWER',
    'REPLICA_NOT_AVAILABLE',
    'FENCED_LEADER_EPOCH',
    'UNKNOWN_LEADER_EPOCH',
    'OFFSET_NOT_AVAILABLE',
    'LEADER_NOT_AVAILABLE'
]);
/**
 * Fetches ahead of the reader: one request per broker at a time, for the partitions of which nothing is waiting to be read. Where nothing
 * is new the broker holds the request back, and the append answers it. While a partition is full the others are only looked at in
 * passing: the reader has work, and a request that waited for them would hold up the full one.
 */
export class Fetcher {
    #context;
    #owner;
    #nodes = new Map();
    #timer;
    #timerAt = Number.POSITIVE_INFINITY;
    #refreshing;
    #closing = new AbortController();
    constructor(context, owner) {
        this.#context = context;
        this.#owner = owner;
    }
    /** Something has been read, or has changed: fetches what there is room for. */
    wake() {
        for (const node of this.#nodes.values()) {
            node.isResting = false;
            node.isStale = true;
        }
        this.#pump();
    }
    /** Partitions came, jumped or were let go on: a request that waits without them is given up for one with them. */
    restart() {
        for (const partition of this.#context.assignment) {
            const { fetchOffset, fetched, isFlowing, fetchingJumps, jumps } = partition;
            if (fetchOffset < 0 || fetched !== undefined || !isFlowing || fetchingJumps === jumps)
                continue;
            const node = this.#nodes.get(this.#leaderOf(partition));
            if (node?.isFetching)
                this.#giveUp(node);
        }
        this.wake();
    }
    #giveUp(node) {
        this.#answered(node);
        node.controller.abort(new KafkaError('CLOSED', 'The fetch was given up for another'));
        node.controller = new AbortController();
    }
    #answered(node) {
        node.isFetching = false;
        for (const partition of node.asked)
            partition.fetchingJumps = -1;
        node.asked = [];
    }
    #leaderOf({ topic, partition }) {
        return this.#context.metadata.partition(topic, partition)?.leaderId ?? -1;
    }
    close() {
        this.#closing.abort(new KafkaError('CLOSED'));
        this.#timer?.cancel();
        for (const node of this.#nodes.values()) {
            node.isFetching = false;
            node.fetches++;
            node.controller.abort(new KafkaError('CLOSED'));
        }
    }
    #pump() {
        if (this.#closing.signal.aborted)
            return;
        const { assignment, settings } = this.#context;
        const wanted = new Map();
        const full = new Set();
        let room = settings.fetchMaxBytes;
        let unknown;
        for (const partition of assignment) {
            room -= (partition.fetched?.sizeInBytes ?? 0) + (partition.reading?.sizeInBytes ?? 0);
            if (partition.fetchOffset < 0 || !partition.isFlowing || this.#isResting(partition))
                continue;
            const leaderId = this.#leaderOf(partition);
            if (leaderId < 0) {
                unknown = (unknown ?? new Set()).add(partition.topic);
                continue;
            }
            const node = this.#node(leaderId);
            if (node.isFetching || this.#isResting(node))
                continue;
            if (partition.fetched !== undefined)
                full.add(node);
            else
                wanted.get(node)?.push(partition) ?? wanted.set(node, [partition]);
        }
        if (unknown !== undefined)
            this.#refresh([...unknown]);
        if (room <= 0)
            return;
        for (const [node, partitions] of wanted) {
            const isPassing = full.has(node);
            if (!(isPassing && node.isResting))
                this.#fetch(node, partitions, room, isPassing);
        }
    }
    #isResting(what) {
        if (what.restUntil === 0)
            return false;
        if (what.restUntil > this.#context.clock.now()) {
            this.#wakeAt(what.restUntil);
            return true;
        }
        return false;
    }
    #node(id) {
        let node = this.#nodes.get(id);
        if (!node) {
            const controller = new AbortController();
            node = { id, controller, fetches: 0, isFetching: false, asked: [], isStale: false, isResting: false, failures: 0, restUntil: 0 };
            this.#nodes.set(id, node);
        }
        return node;
    }
    #fetch(node, partitions, room, isPassing) {
        const broker = this.#context.brokers.byId(node.id);
        if (!broker)
            return this.#refresh([...new Set(partitions.map(({ topic }) => topic))]);
        const fetch = ++node.fetches;
        node.isFetching = true;
        node.isStale = false;
        node.asked = partitions;
        broker.request(Fetch, this.#request(partitions, room, isPassing), node.controller.signal).then(response => {
            if (node.fetches !== fetch || !node.isFetching)
                return releaseAll(response);
            const isEmpty = this.#take(response);
            this.#answered(node);
            node.failures = node.restUntil = 0;
            node.isResting = isPassing && isEmpty && !node.isStale;
            this.#pump();
        }, error => {
            if (node.fetches !== fetch || !node.isFetching)
                return;
            this.#answered(node);
            this.#rest(node);
            this.#owner.onTrouble(error);
            this.#refresh([...new Set(partitions.map(({ topic }) => topic))]);
            this.#pump();
        });
    }
    #request(partitions, room, isPassing) {
        const { metadata, settings } = this.#context;
        const topics = [];
        for (const partition of partitions) {
            const { topic } = partition;
            let entry = topics.find(candidate => candidate.topic === topic);
            if (entry === undefined) {
                entry = { topic, topicId: metadata.topic(topic)?.id, partitions: [] };
                topics.push(entry);
            }
            partition.fetchingJumps = partition.jumps;
            entry.partitions.push({
                partition: partition.partition,
                currentLeaderEpoch: metadata.partition(topic, partition.partition)?.leaderEpoch ?? -1,
                fetchOffset: partition.fetchOffset,
                partitionMaxBytes: settings.maxPartitionFetchBytes
            });
        }
        return {
            maxWaitMs: isPassing ? 0 : settings.fetchMaxWaitMs,
            minBytes: settings.fetchMinBytes,
            maxBytes: room,
            isolationLevel: settings.isolationLevel === 'read_committed' ? 1 : 0,
            topics
        };
    }
    /** Takes in an answer. Returns whether there was nothing in it. */
    #take(response) {
        if (response.errorCode)
            this.#owner.onTrouble(KafkaError.fromNumber(response.errorCode));
        let isEmpty = true;
        for (const { topic = '', topicId, partitions } of response.responses) {
            const name = topic || (topicId === undefined ? '' : (this.#context.metadata.nameOf(topicId) ?? ''));
            for (const answer of partitions) {
                const partition = this.#context.assignment.get(name, answer.partitionIndex);
                // Another fetch has taken its place if it jumped, went away, or came back meanwhile.
                if (partition === undefined || partition.fetchingJumps !== partition.jumps) {
                    if (answer.records)
                        release(answer.records);
                    continue;
                }
                partition.fetchingJumps = -1;
                if (answer.errorCode !== ok)
                    this.#onError(partition, answer.errorCode);
                else if (this.#takePartition(partition, answer))
                    isEmpty = false;
            }
        }
        return isEmpty;
    }
    #takePartition(partition, answer) {
        partition.failures = partition.restUntil = 0;
        partition.highWatermark = answer.highWatermark;
        partition.lastStableOffset = answer.lastStableOffset ?? -1;
        partition.logStartOffset = answer.logStartOffset ?? -1;
        const { records } = answer;
        if (records === null || records.length === 0)
            return false;
        try {
            const { checkCrcs } = this.#context.settings;
            partition.fetched = new FetchedRecords(records, partition.fetchOffset, partition.cursor, answer.abortedTransactions ?? null, checkCrcs);
        }
        catch (error) {
            const { topic, partition: number } = partition;
            this.#fail(partition, new KafkaError('CORRUPT_MESSAGE', error.message, { topic, partition: number, cause: error }));
            return false;
        }
        partition.fetchOffset = partition.fetched.endOffset;
        this.#owner.onFetched(partition);
        return true;
    }
    #onError(partition, number) {
        const { topic } = partition;
        const error = KafkaError.fromNumber(number, undefined, { topic, partition: partition.partition });
        if (number === offsetOutOfRange) {
            // What was fetched before comes first; asking again afterwards shows whether it is still so.
            if (partition.isReady)
                this.#rest(partition);
            else
                this.#owner.onOutOfRange(partition);
        }
        else if ((error.retriable && error.code !== 'CORRUPT_MESSAGE') || errorCodeOf(number) === 'UNKNOWN_SERVER_ERROR') {
            this.#context.metadata.forget(topic);
            if (!moved.has(error.code) && partition.failures === 0)
                this.#owner.onTrouble(error);
            this.#rest(partition);
            this.#refresh([topic]);
        }
        else {
            this.#fail(partition, error);
        }
    }
    #fail(partition, error) {
        partition.restUntil = Number.POSITIVE_INFINITY;
        this.#owner.onFailed(partition, error);
    }
    #rest(what) {
        what.restUntil = this.#context.clock.now() + this.#context.backoff.delayMs(++what.failures);
        this.#wakeAt(what.restUntil);
    }
    #wakeAt(time) {
        if (time >= this.#timerAt || time === Number.POSITIVE_INFINITY)
            return;
        this.#timer?.cancel();
        this.#timerAt = time;
        const onTime = () => {
            this.#timerAt = Number.POSITIVE_INFINITY;
            this.wake();
        };
        this.#timer = this.#context.clock.setTimer(Math.max(0, time - this.#context.clock.now()), onTime, { keepAlive: true });
    }
    /** Asks who leads these topics; one question at a time. */
    #refresh(topics) {
        if (this.#refreshing !== undefined)
            return;
        const { signal } = this.#closing;
        this.#refreshing = this.#context.metadata
            .refresh(topics, { allowAutoTopicCreation: false, signal })
            .catch(error => {
            if (signal.aborted)
                return;
            this.#owner.onTrouble(error);
            for (const partition of this.#context.assignment)
                if (topics.includes(partition.topic))
                    this.#rest(partition);
        })
            .then(() => {
            this.#refreshing = undefined;
            this.wake();
        });
    }
}
function releaseAll(response) {
    for (const { partitions } of response.responses)
        for (const { records } of partitions)
            if (records)
                release(records);
}
