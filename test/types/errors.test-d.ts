import { describe, expectTypeOf, it } from 'vitest'
import { type ErrorCode, KafkaError, type ProtocolErrorCode } from '../../src/errors.js'

describe('KafkaError', () => {
  it('carries a code that can be branched on', () => {
    const error = new KafkaError('UNKNOWN_TOPIC_OR_PARTITION', undefined, { topic: 'orders', partition: 3 })
    expectTypeOf(error.code).toEqualTypeOf<ErrorCode>()
    expectTypeOf(error.topic).toEqualTypeOf<string | undefined>()
    expectTypeOf<ProtocolErrorCode>().toExtend<ErrorCode>()
  })

  it('knows no other codes', () => {
    // @ts-expect-error: there is no such error
    new KafkaError('NO_SUCH_CODE')
  })
})
