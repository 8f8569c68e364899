import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { textBytes } from '../../src/common/bytes.js'
import { bytes, float64, int32, int64, json, type Serde, string, uuid, validated } from '../../src/record/serde.js'

const written = <T>(serde: Serde<T>, value: T) => {
  const result = serde.serialize(value)
  return typeof result === 'string' ? textBytes(result) : (result ?? expect.fail('Expected bytes'))
}
const hex = (serialized: Uint8Array) => Buffer.from(serialized).toString('hex')
const refusal = expect.objectContaining({ name: 'KafkaError', code: 'DESERIALIZATION' })

describe('a serde', () => {
  it.each([
    ['string', string, 'grüße', '6772c3bcc39f65'],
    ['string', string, '', ''],
    ['bytes', bytes, new Uint8Array([1, 255]), '01ff'],
    ['int32', int32, 1, '00000001'],
    ['int32', int32, -2, 'fffffffe'],
    ['int64', int64, 258, '0000000000000102'],
    ['int64', int64, -1, 'ffffffffffffffff'],
    ['int64', int64, 2 ** 53 - 1, '001fffffffffffff'],
    ['int64', int64, -(2 ** 53 - 1), 'ffe0000000000001'],
    ['float64', float64, 1.5, '3ff8000000000000'],
    ['float64', float64, Number.NEGATIVE_INFINITY, 'fff0000000000000'],
    ['json', json(), { a: [1, null] }, '7b2261223a5b312c6e756c6c5d7d'],
    ['uuid', uuid, '123e4567-e89b-12d3-a456-426614174000', hex(textBytes('123e4567-e89b-12d3-a456-426614174000'))]
  ] as [string, Serde<unknown>, unknown, string][])(
    '%s: writes and reads what the Java serializer writes (%#)',
    (_, serde, value, expected) => {
      expect(hex(written(serde, value))).toBe(expected)
      expect(serde.deserialize(new Uint8Array(Buffer.from(expected, 'hex')))).toEqual(value)
    }
  )

  it('reads from the middle of other bytes, and keeps nothing of them', () => {
    const lent = new Uint8Array([9, 9, 0, 0, 0, 5, 9, 9])
    const view = lent.subarray(2, 6)
    const copy = bytes.deserialize(view)
    expect(int32.deserialize(view)).toBe(5)
    expect(float64.deserialize(new Uint8Array([9, ...written(float64, 2.25)]).subarray(1))).toBe(2.25)
    lent.fill(7)
    expect(copy).toEqual(new Uint8Array([0, 0, 0, 5]))
  })

  it('gives back any value of its type', () => {
    const roundTrip = <T>(serde: Serde<T>, values: fc.Arbitrary<T>) =>
      fc.assert(
        fc.property(values, value => {
          expect(serde.deserialize(written(serde, value))).toEqual(value)
        })
      )
    roundTrip(string, fc.string({ unit: 'grapheme' }))
    roundTrip(bytes, fc.uint8Array())
    roundTrip(int32, fc.integer())
    roundTrip(
      int64,
      fc.maxSafeInteger().map(value => value + 0)
    )
    roundTrip(float64, fc.double())
    roundTrip(uuid, fc.uuid())
    roundTrip(
      json(),
      fc.jsonValue().map(value => JSON.parse(JSON.stringify(value)))
    )
  })

  it.each([
    ['string', string, 5, 'Expected a string, got `5`'],
    ['string', string, undefined, 'Expected a string, got `undefined`'],
    ['bytes', bytes, [1, 2], 'Expected a Uint8Array or a string, got `an array`'],
    ['int32', int32, 2 ** 31, 'Expected an integer of 32 bits, got `2147483648`'],
    ['int32', int32, 1.5, 'Expected an integer of 32 bits, got `1.5`'],
    ['int32', int32, '1', "Expected an integer of 32 bits, got `'1'`"],
    ['int64', int64, 2 ** 53, 'Expected a safe integer, got `9007199254740992`'],
    ['int64', int64, 1n, 'Expected a safe integer, got `1n`'],
    ['float64', float64, '1', "Expected a number, got `'1'`"],
    ['uuid', uuid, 'no', "Expected a UUID, got `'no'`"],
    ['json', json(), undefined, 'Expected a value that JSON can hold, got `undefined`'],
    ['json', json(), () => 1, 'Expected a value that JSON can hold']
  ] as [string, Serde<unknown>, unknown, string][])(
    '%s: a wrong value is a TypeError that says what was expected (%#)',
    (_, serde, value, message) => {
      expect(() => serde.serialize(value)).toThrow(TypeError)
      expect(() => serde.serialize(value)).toThrow(message)
    }
  )

  it.each([
    ['int32', int32, '000001', 'Expected an int32 of 4 bytes, got 3 bytes'],
    ['int64', int64, '00', 'Expected an int64 of 8 bytes, got 1 byte'],
    ['int64', int64, '7fffffffffffffff', 'within ±2^53'],
    ['float64', float64, '', 'Expected a float64 of 8 bytes, got 0 bytes'],
    ['uuid', uuid, '61', "Expected a UUID, got `'a'`"],
    ['json', json(), '7b', "Expected JSON, got `'{'`"],
    ['json', json(), '', 'Expected JSON']
  ] as [string, Serde<unknown>, string, string][])(
    '%s: bytes that are none of its are DESERIALIZATION (%#)',
    (_, serde, given, message) => {
      const view = new Uint8Array(Buffer.from(given, 'hex'))
      expect(() => serde.deserialize(view)).toThrow(refusal)
      expect(() => serde.deserialize(view)).toThrow(message)
    }
  )

  it('of bytes takes text too, and gives bytes', () => {
    expect(bytes.serialize('text' as unknown as Uint8Array)).toBe('text')
    expect(bytes.deserialize(textBytes('text'))).toEqual(textBytes('text'))
  })
})

describe('a validated serde', () => {
  const schema = z.object({ url: z.string(), at: z.coerce.date(), count: z.number().int().default(1) })
  const serde = json(schema)

  it('writes the value as given and reads what the schema makes of it', () => {
    const value = { url: '/pricing', at: new Date(5000), count: 2 }
    expect(serde.serialize(value)).toBe('{"url":"/pricing","at":"1970-01-01T00:00:05.000Z","count":2}')
    expect(serde.deserialize(written(serde, value))).toEqual(value)
    expect(serde.deserialize(textBytes('{"url":"/","at":5000}'))).toEqual({ url: '/', at: new Date(5000), count: 1 })
  })

  it('refuses to write what the schema refuses, and says where', () => {
    const wrong = { url: 5, at: new Date(), count: 0.5 } as never
    expect(() => serde.serialize(wrong)).toThrow(TypeError)
    expect(() => serde.serialize(wrong)).toThrow(/url: .*; count: /)
  })

  it('reads what the schema refuses as DESERIALIZATION, with the issues as its cause', () => {
    const attempt = () => serde.deserialize(textBytes('{"url":5,"at":0}'))
    expect(attempt).toThrow(refusal)
    expect(attempt).toThrow(/url: /)
    expect(attempt).toThrow(expect.objectContaining({ cause: [expect.objectContaining({ path: ['url'] })] }))
  })

  it('stands on any serde', () => {
    const percent = validated(int32, z.number().min(0).max(100))
    expect(percent.deserialize(written(percent, 40))).toBe(40)
    expect(() => percent.serialize(101)).toThrow(TypeError)
    expect(() => percent.deserialize(written(int32, 101))).toThrow(refusal)
  })

  it('refuses a schema that validates asynchronously', () => {
    const slow = json(z.string().refine(async () => false))
    expect(() => slow.serialize('x')).toThrow(TypeError)
    expect(() => slow.serialize('x')).toThrow('validates synchronously')
    expect(() => slow.deserialize(textBytes('"x"'))).toThrow('validates synchronously')
  })
})
