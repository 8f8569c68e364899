import { api, array, bool, float64, int8, int16, int32, string } from '../message.js'
import { quotaEntity } from './client-quota-fields.js'

/** DescribeClientQuotas, API 48 of Kafka's protocol. */
export const DescribeClientQuotas = api({
  key: 48,
  name: 'DescribeClientQuotas',
  versions: '0-1',
  flexible: '1+',
  request: {
    components: array({
      entityType: string(),
      matchType: int8(),
      match: string({ nullable: '0+' })
    }),
    strict: bool()
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', default: null }),
    entries: array(
      {
        entity: array(quotaEntity),
        values: array({
          key: string(),
          value: float64()
        })
      },
      { nullable: '0+' }
    )
  }
})
