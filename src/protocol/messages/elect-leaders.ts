import { api, array, int8, int16, int32, string } from '../message.js'

/** ElectLeaders, API 43 of Kafka's protocol. */
export const ElectLeaders = api({
  key: 43,
  name: 'ElectLeaders',
  versions: '0-2',
  flexible: '2+',
  request: {
    electionType: int8({ versions: '1+', default: 0 }),
    topicPartitions: array({ topic: string(), partitions: array(int32()) }, { nullable: '0+' }),
    timeoutMs: int32({ default: 60000 })
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16({ versions: '1+', default: 0 }),
    replicaElectionResults: array({
      topic: string(),
      partitionResult: array({ partitionId: int32(), errorCode: int16(), errorMessage: string({ nullable: '0+' }) })
    })
  }
})
