import { api, array, bytes, int16, int32, int64, string } from '../message.js'

/** The offset of the last record of keys, -1 for none. An API of this library, not of Kafka's. */
export const ListKeyOffsets = api({
  key: 10001,
  name: 'ListKeyOffsets',
  versions: '0',
  flexible: '0+',
  request: {
    topics: array({
      name: string(),
      partitions: array({ partitionIndex: int32(), keys: array(bytes()) })
    })
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array({
      name: string(),
      partitions: array({
        partitionIndex: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: '0+', default: null }),
        endOffset: int64({ default: -1 }),
        lastOffsets: array(int64())
      })
    })
  }
})
