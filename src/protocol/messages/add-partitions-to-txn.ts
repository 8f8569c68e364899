import { api, array, bool, int16, int32, int64, string } from '../message.js'

const topic = { name: string(), partitions: array(int32()) } as const

const topicResult = {
  name: string(),
  resultsByPartition: array({ partitionIndex: int32(), partitionErrorCode: int16() })
} as const

/** AddPartitionsToTxn, API 24 of Kafka's protocol. */
export const AddPartitionsToTxn = api({
  key: 24,
  name: 'AddPartitionsToTxn',
  versions: '0-5',
  flexible: '3+',
  request: {
    transactions: array(
      {
        transactionalId: string(),
        producerId: int64(),
        producerEpoch: int16(),
        verifyOnly: bool({ default: false }),
        topics: array(topic)
      },
      { versions: '4+', default: [] }
    ),
    v3AndBelowTransactionalId: string({ versions: '0-3', default: '' }),
    v3AndBelowProducerId: int64({ versions: '0-3', default: 0 }),
    v3AndBelowProducerEpoch: int16({ versions: '0-3', default: 0 }),
    v3AndBelowTopics: array(topic, { versions: '0-3', default: [] })
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16({ versions: '4+', default: 0 }),
    resultsByTransaction: array({ transactionalId: string(), topicResults: array(topicResult) }, { versions: '4+', default: [] }),
    resultsByTopicV3AndBelow: array(topicResult, { versions: '0-3', default: [] })
  }
})
