import { api, bool, int16, int32, int64, records, string } from '../message.js'
import { conditionFields, conflictFields } from './condition-fields.js'

/**
 * Appends a batch to a partition where that still is as the writer has read it; otherwise nothing
 * is written. An API of this library, not of Kafka's.
 */
export const ConditionalAppend = api({
  key: 10000,
  name: 'ConditionalAppend',
  versions: '0',
  flexible: '0+',
  request: {
    timeoutMs: int32(),
    topic: string(),
    partition: int32(),
    records: records(),
    ...conditionFields
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', default: null }),
    /** True if a condition did not hold. What is there now follows. */
    isConflict: bool({ default: false }),
    baseOffset: int64({ default: -1 }),
    logAppendTimeMs: int64({ default: -1 }),
    ...conflictFields
  }
})
