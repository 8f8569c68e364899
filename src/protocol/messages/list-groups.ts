import { api, array, int16, int32, string } from '../message.js'

/** ListGroups, API 16 of Kafka's protocol. */
export const ListGroups = api({
  key: 16,
  name: 'ListGroups',
  versions: '0-5',
  flexible: '3+',
  request: {
    statesFilter: array(string(), { versions: '4+', default: [] }),
    typesFilter: array(string(), { versions: '5+', default: [] })
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', default: 0 }),
    errorCode: int16(),
    groups: array({
      groupId: string(),
      protocolType: string(),
      groupState: string({ versions: '4+', default: '' }),
      groupType: string({ versions: '5+', default: '' })
    })
  }
})
