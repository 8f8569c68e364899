import { api, array, int8, int16, int32, string } from '../message.js'

/** FindCoordinator, API 10 of Kafka's protocol. */
export const FindCoordinator = api({
  key: 10,
  name: 'FindCoordinator',
  versions: '0-6',
  flexible: '3+',
  request: {
    key: string({ versions: '0-3', default: '' }),
    keyType: int8({ versions: '1+', default: 0 }),
    coordinatorKeys: array(string(), { versions: '4+', default: [] })
  },
  response: {
    throttleTimeMs: int32({ versions: '1+', default: 0 }),
    errorCode: int16({ versions: '0-3', default: 0 }),
    errorMessage: string({ versions: '1-3', nullable: '1-3', default: null }),
    nodeId: int32({ versions: '0-3', default: 0 }),
    host: string({ versions: '0-3', default: '' }),
    port: int32({ versions: '0-3', default: 0 }),
    coordinators: array(
      {
        key: string(),
        nodeId: int32(),
        host: string(),
        port: int32(),
        errorCode: int16(),
        errorMessage: string({ nullable: '4+', default: null })
      },
      { versions: '4+', default: [] }
    )
  }
})
