import { api, array, int8, int16, int32, int64, string } from '../message.js'

/** ListOffsets, API 2 of Kafka's protocol. */
export const ListOffsets = api({
  key: 2,
  name: 'ListOffsets',
  versions: '1-11',
  flexible: '6+',
  request: {
    replicaId: int32(),
    isolationLevel: int8({ versions: '2+', default: 0 }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        currentLeaderEpoch: int32({ versions: '4+', default: -1 }),
        timestamp: int64()
      })
    }),
    timeoutMs: int32({ versions: '10+', default: 0 })
  },
  response: {
    throttleTimeMs: int32({ versions: '2+', default: 0 }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        timestamp: int64({ default: -1 }),
        offset: int64({ default: -1 }),
        leaderEpoch: int32({ versions: '4+', default: -1 })
      })
    })
  }
})
