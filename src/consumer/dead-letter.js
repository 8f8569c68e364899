import { expectTopicName } from '../record/topic.js';
/** A dead letter box of either kind as a function. `serdesOf` tells how a topic's records are written. */
export function deadLetterSink(deadLetter, serdesOf) {
    if (typeof deadLetter === 'function') {
        return async (record, error) => {
            await deadLetter(record, error);
        };
    }
    const { topic, producer } = deadLetter;
    expectTopicName(topic);
    return async (record, error) => {
        const isRejected = 'error' in record;
        const serdes = serdesOf(record.topic);
        const key = isRejected ? record.key : written(serdes.key, record.key);
        const value = isRejected ? record.value : written(serdes.value, record.value);
        await producer.send(topic, { key, value, headers: [...record.headers, ...origin(record, error)] });
    };
}
function written(serde, value) {
    return value === null ? null : serde.serialize(value);
}
function origin(record, error) {
    const { topic, partition, offset, timestamp } = record;
    return [
        { key: 'dead-letter.topic', value: topic },
        { key: 'dead-letter.partition', value: String(partition) },
        { key: 'dead-letter.offset', value: String(offset) },
        { key: 'dead-letter.timestamp', value: String(timestamp) },
        { key: 'dead-letter.error', value: error instanceof Error ? `${error.name}: ${error.message}` : String(error) }
    ];
}
