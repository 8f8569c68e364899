import { api, bytes, int16, int64, string } from '../message.js'

/** SaslAuthenticate, API 36 of Kafka's protocol. */
export const SaslAuthenticate = api({
  key: 36,
  name: 'SaslAuthenticate',
  versions: '0-2',
  flexible: '2+',
  request: {
    authBytes: bytes()
  },
  response: {
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', default: null }),
    authBytes: bytes(),
    sessionLifetimeMs: int64({ versions: '1+', default: 0 })
  }
})
