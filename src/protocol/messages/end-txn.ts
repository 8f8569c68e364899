import { api, bool, int16, int32, int64, string } from '../message.js'

/** EndTxn, API 26 of Kafka's protocol. */
export const EndTxn = api({
  key: 26,
  name: 'EndTxn',
  versions: '0-5',
  flexible: '3+',
  request: { transactionalId: string(), producerId: int64(), producerEpoch: int16(), committed: bool() },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    producerId: int64({ versions: '5+', default: -1 }),
    producerEpoch: int16({ versions: '5+', default: -1 })
  }
})
