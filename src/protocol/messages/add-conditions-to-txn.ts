import { api, bool, int16, int32, int64, string } from '../message.js'
import { conditionFields, conflictFields } from './condition-fields.js'

/**
 * Lets a partition take part in a transaction on conditions: they hold now, and nobody else may
 * write what they rely on until the transaction ends. An API of this library, not of Kafka's.
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
    ...conditionFields
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', default: null }),
    /** True if a condition does not hold, or cannot be waited for. What is there now follows. */
    isConflict: bool({ default: false }),
    ...conflictFields
  }
})
