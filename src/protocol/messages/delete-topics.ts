import { zeroUuid } from '../../common/uuid.js'
import { api, array, int16, int32, string, uuid } from '../message.js'

/** DeleteTopics, API 20 of Kafka's protocol. */
export const DeleteTopics = api({
  key: 20,
  name: 'DeleteTopics',
  versions: '1-6',
  flexible: '4+',
  request: {
    topics: array(
      {
        name: string({ nullable: '6+', default: null }),
        topicId: uuid({ default: zeroUuid })
      },
      { versions: '6+', default: [] }
    ),
    topicNames: array(string(), { versions: '0-5', default: [] }),
    timeoutMs: int32()
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    responses: array({
      name: string({ nullable: '6+' }),
      topicId: uuid({ versions: '6+', default: zeroUuid }),
      errorCode: int16(),
      errorMessage: string({ versions: '5+', nullable: '5+', default: null })
    })
  }
})
