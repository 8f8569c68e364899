import { zeroUuid } from '../../common/uuid.js'
import { api, array, bool, int16, int32, int64, string, uuid } from '../message.js'

/** OffsetFetch, API 9 of Kafka's protocol. */
export const OffsetFetch = api({
  key: 9,
  name: 'OffsetFetch',
  versions: '1-10',
  flexible: '6+',
  request: {
    groupId: string({ versions: '0-7', default: '' }),
    topics: array(
      {
        name: string(),
        partitionIndexes: array(int32())
      },
      { versions: '0-7', nullable: '2-7', default: [] }
    ),
    groups: array(
      {
        groupId: string(),
        memberId: string({ versions: '9+', nullable: '9+', default: null }),
        memberEpoch: int32({ versions: '9+', default: -1 }),
        topics: array(
          {
            name: string({ versions: '8-9', default: '' }),
            topicId: uuid({ versions: '10+', default: zeroUuid }),
            partitionIndexes: array(int32())
          },
          { nullable: '8+' }
        )
      },
      { versions: '8+', default: [] }
    ),
    requireStable: bool({ versions: '7+', default: false })
  },
  response: {
    throttleTimeMs: int32({ versions: '3+', default: 0 }),
    topics: array(
      {
        name: string(),
        partitions: array({
          partitionIndex: int32(),
          committedOffset: int64(),
          committedLeaderEpoch: int32({ versions: '5-7', default: -1 }),
          metadata: string({ nullable: '0-7' }),
          errorCode: int16()
        })
      },
      { versions: '0-7', default: [] }
    ),
    errorCode: int16({ versions: '2-7', default: 0 }),
    groups: array(
      {
        groupId: string(),
        topics: array({
          name: string({ versions: '8-9', default: '' }),
          topicId: uuid({ versions: '10+', default: zeroUuid }),
          partitions: array({
            partitionIndex: int32(),
            committedOffset: int64(),
            committedLeaderEpoch: int32({ default: -1 }),
            metadata: string({ nullable: '8+' }),
            errorCode: int16()
          })
        }),
        errorCode: int16({ default: 0 })
      },
      { versions: '8+', default: [] }
    )
  }
})
