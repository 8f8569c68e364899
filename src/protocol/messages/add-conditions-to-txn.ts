import { api, array, bool, bytes, int16, int32, int64, string } from '../message.js'

/**
 * Lets a partition take part in a transaction on conditions: they hold now, and nobody else may
 * write what they rely on until the transaction ends. An API of this library, not of Kafka's. An
 * offset of -1 stands for none: of a key, that it has no record, or only a tombstone; as
 * `endOffset`, that the end does not matter.
 */
export const AddConditionsToTxn = api({
  key: 10002,
  name: 'AddConditionsToTxn',
  versions: '0',
  flexible: '0+',
  request: {
    transactionalId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    topic: string(),
    partition: int32(),
    endOffset: int64({ default: -1 }),
    keys: array({ key: bytes(), lastOffset: int64() })
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', default: null }),
    /** True if a condition does not hold, or cannot be waited for. What is there now follows. */
    isConflict: bool({ default: false }),
    endOffset: int64({ default: -1 }),
    /** The keys whose last offset is another one, by their places in the request. */
    conflicts: array({ index: int32(), lastOffset: int64() }, { default: [] })
  }
})
