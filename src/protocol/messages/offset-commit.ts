import { zeroUuid } from '../../common/uuid.js'
import { api, array, int16, int32, int64, string, uuid } from '../message.js'

/** OffsetCommit, API 8 of Kafka's protocol. */
export const OffsetCommit = api({
  key: 8,
  name: 'OffsetCommit',
  versions: '2-10',
  flexible: '8+',
  request: {
    groupId: string(),
    generationIdOrMemberEpoch: int32({ default: -1 }),
    memberId: string(),
    groupInstanceId: string({ versions: '7+', nullable: '7+', default: null }),
    retentionTimeMs: int64({ versions: '2-4', default: -1 }),
    topics: array({
      name: string({ versions: '0-9', default: '' }),
      topicId: uuid({ versions: '10+', default: zeroUuid }),
      partitions: array({
        partitionIndex: int32(),
        committedOffset: int64(),
        committedLeaderEpoch: int32({ versions: '6+', default: -1 }),
        committedMetadata: string({ nullable: '0+' })
      })
    })
  },
  response: {
    throttleTimeMs: int32({ versions: '3+', default: 0 }),
    topics: array({
      name: string({ versions: '0-9', default: '' }),
      topicId: uuid({ versions: '10+', default: zeroUuid }),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16()
      })
    })
  }
})
