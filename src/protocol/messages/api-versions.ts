import { api, array, bool, int16, int32, int64, string } from '../message.js'

/** ApiVersions, API 18 of Kafka's protocol. */
export const ApiVersions = api({
  key: 18,
  name: 'ApiVersions',
  versions: '0-4',
  flexible: '3+',
  request: {
    clientSoftwareName: string({ versions: '3+', default: '' }),
    clientSoftwareVersion: string({ versions: '3+', default: '' })
  },
  response: {
    errorCode: int16(),
    apiKeys: array({
      apiKey: int16(),
      minVersion: int16(),
      maxVersion: int16()
    }),
    throttleTimeMs: int32({ versions: '1+', default: 0 }),
    supportedFeatures: array(
      {
        name: string(),
        minVersion: int16(),
        maxVersion: int16()
      },
      { versions: '3+', default: [], tag: 0 }
    ),
    finalizedFeaturesEpoch: int64({ versions: '3+', default: -1, tag: 1 }),
    finalizedFeatures: array(
      {
        name: string(),
        maxVersionLevel: int16(),
        minVersionLevel: int16()
      },
      { versions: '3+', default: [], tag: 2 }
    ),
    zkMigrationReady: bool({ versions: '3+', default: false, tag: 3 })
  }
})
