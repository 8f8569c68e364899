import { isRetriable } from '../client/retry.js';
import { isPromise } from '../common/deferred.js';
import { KafkaError } from '../errors.js';
import { ListOffsets } from '../protocol/messages/list-offsets.js';
import { partitionKey } from './assigned-partition.js';
/** Times that mean a place in the log. */
export const latest = -1;
export const earliest = -2;
/** Asks the leaders of partitions where their logs start, end, or reach a time. */
export class OffsetLookup {
    #metadata;
    #backoff;
    #isolationLevel;
    constructor(metadata, backoff, isolationLevel) {
        this.#metadata = metadata;
        this.#backoff = backoff;
        this.#isolationLevel = isolationLevel;
    }
    /** One answer per question, in order. Tries again while leaders move; rejects with a `KafkaError` that names the partition. */
    async find(queries, options = {}) {
        const found = new Map();
        await this.#backoff.retry(async (signal) => {
            const missing = queries.filter(({ topic, partition }) => !found.has(partitionKey(topic, partition)));
            await this.#ask(missing, found, signal);
        }, options);
        return queries.map(({ topic, partition }) => found.get(partitionKey(topic, partition)));
    }
    async #ask(queries, found, signal) {
        const known = this.#metadata.ensure([...new Set(queries.map(({ topic }) => topic))], { allowAutoTopicCreation: false, signal });
        if (isPromise(known))
            await known;
        const byLeader = new Map();
        for (const query of queries) {
            const leader = this.#metadata.leaderOf(query.topic, query.partition);
            if (leader === undefined)
                throw this.#unknown(query);
            const queriesOfLeader = byLeader.get(leader);
            if (queriesOfLeader)
                queriesOfLeader.push(query);
            else
                byLeader.set(leader, [query]);
        }
        const errors = [];
        await Promise.all(Array.from(byLeader, ([leader, of]) => this.#askLeader(leader, of, found, signal).catch(error => errors.push(error))));
        const error = errors.find(candidate => !isRetriable(candidate)) ?? errors[0];
        if (error === undefined)
            return;
        for (const { topic } of queries)
            this.#metadata.forget(topic);
        throw error;
    }
    #unknown({ topic, partition }) {
        const code = this.#metadata.partition(topic, partition) === undefined ? 'UNKNOWN_TOPIC_OR_PARTITION' : 'LEADER_NOT_AVAILABLE';
        this.#metadata.forget(topic);
        return new KafkaError(code, undefined, { topic, partition });
    }
    async #askLeader(leader, queries, found, signal) {
        const topics = new Map();
        for (const { topic, partition, timestamp } of queries) {
            if (!topics.has(topic))
                topics.set(topic, []);
            topics.get(topic)?.push({ partitionIndex: partition, timestamp });
        }
        const response = await leader.request(ListOffsets, {
            replicaId: -1,
            isolationLevel: this.#isolationLevel,
            topics: Array.from(topics, ([name, partitions]) => ({ name, partitions }))
        }, signal);
        const errors = [];
        for (const { name: topic, partitions } of response.topics) {
            for (const { partitionIndex: partition, errorCode, offset = -1, timestamp = -1 } of partitions) {
                if (errorCode !== 0)
                    errors.push(KafkaError.fromNumber(errorCode, undefined, { topic, partition }));
                else
                    found.set(partitionKey(topic, partition), { topic, partition, offset, timestamp });
            }
        }
        const error = errors.find(({ retriable }) => !retriable) ?? errors[0];
        if (error)
            throw error;
    }
}
