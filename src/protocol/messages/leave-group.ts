import { api, array, int16, int32, string } from '../message.js'

/** LeaveGroup, API 13 of Kafka's protocol. */
export const LeaveGroup = api({
  key: 13,
  name: 'LeaveGroup',
  versions: '0-5',
  flexible: '4+',
  request: {
    groupId: string(),
    memberId: string({ versions: '0-2', default: '' }),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullable: '3+', default: null }),
        reason: string({ versions: '5+', nullable: '5+', default: null })
      },
      { versions: '3+', default: [] }
    )
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', default: 0 }),
    errorCode: int16(),
    members: array(
      {
        memberId: string(),
        groupInstanceId: string({ nullable: '3+' }),
        errorCode: int16()
      },
      { versions: '3+', default: [] }
    )
  }
})
