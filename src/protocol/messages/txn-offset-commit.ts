import { api, array, int16, int32, int64, string } from '../message.js'

/** TxnOffsetCommit, API 28 of Kafka's protocol. */
export const TxnOffsetCommit = api({
  key: 28,
  name: 'TxnOffsetCommit',
  versions: '0-5',
  flexible: '3+',
  request: {
    transactionalId: string(),
    groupId: string(),
    producerId: int64(),
    producerEpoch: int16(),
    generationId: int32({ versions: '3+', default: -1 }),
    memberId: string({ versions: '3+', default: '' }),
    groupInstanceId: string({ versions: '3+', nullable: '3+', default: null }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ versions: '2+', default: -1 }),
        committedMetadata: string({ nullable: '0+' })
      })
    })
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array({ name: string(), partitions: array({ partitionIndex: int32(), errorCode: int16() }) })
  }
})
