import { api, array, int8, int16, int32, string } from '../message.js'

/** ListConfigResources, API 74 of Kafka's protocol. */
export const ListConfigResources = api({
  key: 74,
  name: 'ListConfigResources',
  versions: '0-1',
  flexible: '0+',
  request: {
    resourceTypes: array(int8(), { versions: '1+', default: [] })
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    configResources: array({
      resourceName: string(),
      resourceType: int8({ versions: '1+', default: 16 })
    })
  }
})
