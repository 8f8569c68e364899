import { KafkaError } from '../errors.js';
/** What a loop ends with at a rejected record, when that is what the user chose: a `KafkaError` DESERIALIZATION that carries the record. */
export class RejectedRecordError extends KafkaError {
    record;
    constructor(record) {
        const { topic, partition, offset, error } = record;
        const reason = error instanceof Error ? error.message : String(error);
        const message = `Record ${offset} of ${topic}-${partition} cannot be decoded, or is not valid: ${reason}`;
        super('DESERIALIZATION', message, { topic, partition, cause: error });
        this.record = record;
    }
}
