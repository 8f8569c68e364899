import { api, array, int16, int32, string } from '../message.js'
import { aclEntry, aclFilter, aclResource } from './acl-fields.js'

/** DescribeAcls, API 29 of Kafka's protocol. */
export const DescribeAcls = api({
  key: 29,
  name: 'DescribeAcls',
  versions: '1-3',
  flexible: '2+',
  request: aclFilter,
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+', default: null }),
    resources: array({
      ...aclResource,
      acls: array(aclEntry)
    })
  }
})
