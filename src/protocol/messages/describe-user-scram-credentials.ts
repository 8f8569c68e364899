import { api, array, int8, int16, int32, string } from '../message.js'

/** DescribeUserScramCredentials, API 50 of Kafka's protocol. */
export const DescribeUserScramCredentials = api({
  key: 50,
  name: 'DescribeUserScramCredentials',
  versions: '0',
  flexible: '0+',
  request: {
    users: array({ name: string() }, { nullable: '0+' })
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', default: null }),
    results: array({
      user: string(),
      errorCode: int16(),
      errorMessage: string({ nullable: '0+', default: null }),
      credentialInfos: array({
        mechanism: int8(),
        iterations: int32()
      })
    })
  }
})
