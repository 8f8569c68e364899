import { zeroUuid } from '../../common/uuid.js'
import { api, array, int16, int32, int64, string, uint16, uuid } from '../message.js'

const replicaState = {
  replicaId: int32(),
  replicaDirectoryId: uuid({ versions: '2+', default: zeroUuid }),
  logEndOffset: int64(),
  lastFetchTimestamp: int64({ versions: '1+', default: -1 }),
  lastCaughtUpTimestamp: int64({ versions: '1+', default: -1 })
} as const

/** DescribeQuorum, API 55 of Kafka's protocol. */
export const DescribeQuorum = api({
  key: 55,
  name: 'DescribeQuorum',
  versions: '0-2',
  flexible: '0+',
  request: { topics: array({ topicName: string(), partitions: array({ partitionIndex: int32() }) }) },
  response: {
    errorCode: int16(),
    errorMessage: string({ versions: '2+', nullable: '2+', default: null }),
    topics: array({
      topicName: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ versions: '2+', nullable: '2+', default: null }),
        leaderId: int32(),
        leaderEpoch: int32(),
        highWatermark: int64(),
        currentVoters: array(replicaState),
        observers: array(replicaState)
      })
    }),
    nodes: array({ nodeId: int32(), listeners: array({ name: string(), host: string(), port: uint16() }) }, { versions: '2+', default: [] })
  }
})
