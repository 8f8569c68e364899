import { api, array, bool, int16, int32, string } from '../message.js'

/** CreatePartitions, API 37 of Kafka's protocol. */
export const CreatePartitions = api({
  key: 37,
  name: 'CreatePartitions',
  versions: '0-3',
  flexible: '2+',
  request: {
    topics: array({
      name: string(),
      count: int32(),
      assignments: array(
        {
          brokerIds: array(int32())
        },
        { nullable: '0+', default: null }
      )
    }),
    timeoutMs: int32(),
    validateOnly: bool()
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      name: string(),
      errorCode: int16(),
      errorMessage: string({ nullable: '0+', default: null })
    })
  }
})
