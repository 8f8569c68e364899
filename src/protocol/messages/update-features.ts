import { api, array, bool, int8, int16, int32, string } from '../message.js'

/** UpdateFeatures, API 57 of Kafka's protocol. */
export const UpdateFeatures = api({
  key: 57,
  name: 'UpdateFeatures',
  versions: '0-2',
  flexible: '0+',
  request: {
    timeoutMs: int32({ default: 60000 }),
    featureUpdates: array({
      feature: string(),
      maxVersionLevel: int16(),
      allowDowngrade: bool({ versions: '0', default: false }),
      upgradeType: int8({ versions: '1+', default: 1 })
    }),
    validateOnly: bool({ versions: '1+', default: false })
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    errorCode: int16(),
    errorMessage: string({ nullable: '0+' }),
    results: array({ feature: string(), errorCode: int16(), errorMessage: string({ nullable: '0+' }) }, { versions: '0-1', default: [] })
  }
})
