import { isRetriable } from '../client/retry.js';
import { KafkaError } from '../errors.js';
import { OffsetCommit } from '../protocol/messages/offset-commit.js';
import { OffsetFetch } from '../protocol/messages/offset-fetch.js';
import { partitionKey } from './assigned-partition.js';
/** Commits offsets to a group, one request after the other, and reads what has been committed. */
export class Committer {
    #coordinator;
    #metadata;
    #backoff;
    #owner;
    #last = Promise.resolve();
    constructor(coordinator, metadata, backoff, owner) {
        this.#coordinator = coordinator;
        this.#metadata = metadata;
        this.#backoff = backoff;
        this.#owner = owner;
    }
    /** Waits for commits under way, then commits. Tries again while the coordinator moves or the group rebalances. */
    commit(offsets, options = {}) {
        const committed = this.#last.then(() => this.#backoff.retry(signal => this.#attempt(offsets, signal), options, isWorthAnotherTry));
        this.#last = committed.catch(() => { });
        return committed;
    }
    async #attempt(offsets, signal) {
        const sent = this.#owner.committing();
        const topics = new Map();
        for (const { topic, partition, offset, leaderEpoch = -1, metadata = '' } of offsets) {
            if (!topics.has(topic))
                topics.set(topic, { name: topic, topicId: this.#idOf(topic), partitions: [] });
            const entry = { partitionIndex: partition, committedOffset: offset, committedLeaderEpoch: leaderEpoch, committedMetadata: metadata };
            topics.get(topic)?.partitions.push(entry);
        }
        const response = await this.#coordinator.ask(OffsetCommit, {
            groupId: this.#coordinator.groupId,
            generationIdOrMemberEpoch: sent.generationId,
            memberId: sent.memberId,
            groupInstanceId: sent.groupInstanceId,
            topics: [...topics.values()]
        }, signal);
        for (const { name, topicId, partitions } of response.topics) {
            for (const { partitionIndex, errorCode } of partitions) {
                if (errorCode === 0)
                    continue;
                const error = KafkaError.fromNumber(errorCode, undefined, { topic: this.#nameOf(name, topicId), partition: partitionIndex });
                this.#coordinator.heed(error.code);
                this.#owner.onRefused(error, sent);
                throw error;
            }
        }
        this.#owner.onCommitted(offsets);
    }
    /** What the group has committed of these partitions, those without a committed offset left out. */
    async committed(partitions, options = {}) {
        if (partitions.length === 0)
            return new Map();
        return this.#backoff.retry(signal => this.#fetch(partitions, signal), options);
    }
    async #fetch(partitions, signal) {
        const { groupId } = this.#coordinator;
        const byTopic = new Map();
        for (const { topic, partition } of partitions) {
            if (!byTopic.has(topic))
                byTopic.set(topic, []);
            byTopic.get(topic)?.push(partition);
        }
        const topics = Array.from(byTopic, ([name, partitionIndexes]) => ({ name, topicId: this.#idOf(name), partitionIndexes }));
        // Before version 8 a request was about one group, named at the top.
        const request = { groupId, topics, groups: [{ groupId, topics }], requireStable: true };
        const response = await this.#coordinator.ask(OffsetFetch, request, signal);
        const group = response.groups?.find(candidate => candidate.groupId === groupId) ?? response;
        if (group.errorCode)
            throw this.#heeded(KafkaError.fromNumber(group.errorCode));
        const committed = new Map();
        for (const { name, topicId, partitions: answers } of group.topics ?? []) {
            const topic = this.#nameOf(name, topicId);
            for (const { partitionIndex, committedOffset, committedLeaderEpoch = -1, metadata, errorCode } of answers) {
                if (errorCode !== 0)
                    throw this.#heeded(KafkaError.fromNumber(errorCode, undefined, { topic, partition: partitionIndex }));
                if (committedOffset < 0)
                    continue;
                committed.set(partitionKey(topic, partitionIndex), {
                    topic,
                    partition: partitionIndex,
                    offset: committedOffset,
                    leaderEpoch: committedLeaderEpoch,
                    metadata: metadata ?? ''
                });
            }
        }
        return committed;
    }
    /** From version 10 on requests name topics by id, which brokers in process take too. */
    #idOf(topic) {
        return this.#metadata.topic(topic)?.id;
    }
    #nameOf(name, topicId) {
        return name || (topicId && this.#metadata.nameOf(topicId)) || '';
    }
    #heeded(error) {
        this.#coordinator.heed(error.code);
        return error;
    }
}
/** Between joining and its assignment a member can commit nothing; that passes. */
function isWorthAnotherTry(error) {
    return isRetriable(error) || (error instanceof KafkaError && error.code === 'REBALANCE_IN_PROGRESS');
}
