import { api, array, int16, string } from '../message.js'

/** SaslHandshake, API 17 of Kafka's protocol. */
export const SaslHandshake = api({
  key: 17,
  name: 'SaslHandshake',
  versions: '0-1',
  flexible: 'none',
  request: {
    mechanism: string()
  },
  response: {
    errorCode: int16(),
    mechanisms: array(string())
  }
})
