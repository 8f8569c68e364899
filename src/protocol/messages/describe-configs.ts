import { api, array, bool, int8, int16, int32, string } from '../message.js'

/** DescribeConfigs, API 32 of Kafka's protocol. */
export const DescribeConfigs = api({
  key: 32,
  name: 'DescribeConfigs',
  versions: '1-4',
  flexible: '4+',
  request: {
    resources: array({
      resourceType: int8(),
      resourceName: string(),
      configurationKeys: array(string(), { nullable: '0+', default: null })
    }),
    includeSynonyms: bool({ default: false }),
    includeDocumentation: bool({ versions: '3+', default: false })
  },
  response: {
    throttleTimeMs: int32({ default: 0 }),
    results: array({
      errorCode: int16(),
      errorMessage: string({ nullable: '0+', default: null }),
      resourceType: int8(),
      resourceName: string(),
      configs: array({
        name: string(),
        value: string({ nullable: '0+' }),
        readOnly: bool(),
        configSource: int8({ default: -1 }),
        isSensitive: bool(),
        synonyms: array(
          {
            name: string(),
            value: string({ nullable: '0+' }),
            source: int8()
          },
          { default: [] }
        ),
        configType: int8({ versions: '3+', default: 0 }),
        documentation: string({ versions: '3+', nullable: '0+', default: '' })
      })
    })
  }
})
