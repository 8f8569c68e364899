import { api, array, bool, float64, int16, int32, string } from '../message.js'
import { quotaEntity } from './client-quota-fields.js'

/** AlterClientQuotas, API 49 of Kafka's protocol. */
export const AlterClientQuotas = api({
  key: 49,
  name: 'AlterClientQuotas',
  versions: '0-1',
  flexible: '1+',
  request: {
    entries: array({
      entity: array(quotaEntity),
      ops: array({
        key: string(),
        value: float64(),
        remove: bool()
      })
    }),
    validateOnly: bool()
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    entries: array({
      errorCode: int16(),
      errorMessage: string({ nullable: '0+', default: null }),
      entity: array(quotaEntity)
    })
  }
})
