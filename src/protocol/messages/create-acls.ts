import { api, array, int8, int16, int32, string } from '../message.js'
import { aclEntry } from './acl-fields.js'

/** CreateAcls, API 30 of Kafka's protocol. */
export const CreateAcls = api({
  key: 30,
  name: 'CreateAcls',
  versions: '1-3',
  flexible: '2+',
  request: {
    creations: array({
      resourceType: int8(),
      resourceName: string(),
      resourcePatternType: int8({ default: 3 }),
      ...aclEntry
    })
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      errorCode: int16(),
      errorMessage: string({ nullable: '0+', default: null })
    })
  }
})
