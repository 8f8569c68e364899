import { api, array, int16, int32, string } from '../message.js'
import { aclEntry, aclFilter, aclResource } from './acl-fields.js'

/** DeleteAcls, API 31 of Kafka's protocol. */
export const DeleteAcls = api({
  key: 31,
  name: 'DeleteAcls',
  versions: '1-3',
  flexible: '2+',
  request: {
    filters: array(aclFilter)
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    filterResults: array({
      errorCode: int16(),
      errorMessage: string({ nullable: '0+', default: null }),
      matchingAcls: array({
        errorCode: int16(),
        errorMessage: string({ nullable: '0+', default: null }),
        ...aclResource,
        ...aclEntry
      })
    })
  }
})
