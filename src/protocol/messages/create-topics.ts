import { zeroUuid } from '../../common/uuid.js'
import { api, array, bool, int8, int16, int32, string, uuid } from '../message.js'

/** CreateTopics, API 19 of Kafka's protocol. */
export const CreateTopics = api({
  key: 19,
  name: 'CreateTopics',
  versions: '2-7',
  flexible: '5+',
  request: {
    topics: array({
      name: string(),
      numPartitions: int32(),
      replicationFactor: int16(),
      assignments: array(
        {
          partitionIndex: int32(),
          brokerIds: array(int32())
        },
        { default: [] }
      ),
      configs: array(
        {
          name: string(),
          value: string({ nullable: '0+', default: null })
        },
        { default: [] }
      )
    }),
    timeoutMs: int32({ default: 60000 }),
    validateOnly: bool({ default: false })
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    topics: array({
      name: string(),
      topicId: uuid({ versions: '7+', default: zeroUuid }),
      errorCode: int16(),
      errorMessage: string({ nullable: '0+', default: null }),
      topicConfigErrorCode: int16({ versions: '5+', default: 0, tag: 0 }),
      numPartitions: int32({ versions: '5+', default: -1 }),
      replicationFactor: int16({ versions: '5+', default: -1 }),
      configs: array(
        {
          name: string(),
          value: string({ nullable: '5+' }),
          readOnly: bool(),
          configSource: int8({ default: -1 }),
          isSensitive: bool()
        },
        { versions: '5+', nullable: '5+', default: [] }
      )
    })
  }
})
