import { api, array, int16, int32, string } from '../message.js'

/** AlterReplicaLogDirs, API 34 of Kafka's protocol. */
export const AlterReplicaLogDirs = api({
  key: 34,
  name: 'AlterReplicaLogDirs',
  versions: '1-2',
  flexible: '2+',
  request: { dirs: array({ path: string(), topics: array({ name: string(), partitions: array(int32()) }) }) },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({ topicName: string(), partitions: array({ partitionIndex: int32(), errorCode: int16() }) })
  }
})
