import { api, array, int16, int32, string } from '../message.js'

/** DeleteGroups, API 42 of Kafka's protocol. */
export const DeleteGroups = api({
  key: 42,
  name: 'DeleteGroups',
  versions: '0-2',
  flexible: '2+',
  request: {
    groupsNames: array(string())
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      groupId: string(),
      errorCode: int16()
    })
  }
})
