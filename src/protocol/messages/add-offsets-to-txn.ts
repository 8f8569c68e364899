import { api, int16, int32, int64, string } from '../message.js'

/** AddOffsetsToTxn, API 25 of Kafka's protocol. */
export const AddOffsetsToTxn = api({
  key: 25,
  name: 'AddOffsetsToTxn',
  versions: '0-4',
  flexible: '3+',
  request: { transactionalId: string(), producerId: int64(), producerEpoch: int16(), groupId: string() },
  response: { throttleTimeMs: int32({ default: 0 }), errorCode: int16() }
})
