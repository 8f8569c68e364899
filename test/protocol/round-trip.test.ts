import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { uuidText } from '../../src/common/uuid.js'
import { apis } from '../../src/protocol/apis.js'
import { decodeMessage, encodeMessage } from '../../src/protocol/codec.js'
import { type Field, type Fields, includesVersion, type Schema } from '../../src/protocol/message.js'

const int = (bits: number) => fc.integer({ min: -(2 ** (bits - 1)), max: 2 ** (bits - 1) - 1 })

/** Any message that a version can carry: what it cannot is left at its default. */
function messageOf(fields: Fields, version: number): fc.Arbitrary<Record<string, unknown>> {
  return fc.record(Object.fromEntries(Object.entries(fields).map(([name, field]) => [name, anyValue(field, version)])))
}

function anyValue(field: Field, version: number): fc.Arbitrary<unknown> {
  if (!includesVersion(field.versions, version)) return fc.constant(defaultOf(field))
  const present = presentValue(field, version)
  return includesVersion(field.nullable, version) ? fc.option(present, { nil: null, freq: 4 }) : present
}

function presentValue(field: Field, version: number): fc.Arbitrary<unknown> {
  switch (field.kind) {
    case 'bool':
      return fc.boolean()
    case 'int8':
      return int(8)
    case 'int16':
      return int(16)
    case 'uint16':
      return fc.integer({ min: 0, max: 65535 })
    case 'int32':
      return int(32)
    case 'uint32':
      return fc.integer({ min: 0, max: 2 ** 32 - 1 })
    case 'int64':
      return fc.maxSafeInteger()
    case 'float64':
      return fc.double({ noNaN: true })
    case 'string':
      return fc.string({ unit: 'grapheme', maxLength: 12 })
    case 'uuid':
      return fc.uint8Array({ minLength: 16, maxLength: 16 }).map(uuidText)
    case 'bytes':
    case 'records':
      return fc.uint8Array({ maxLength: 12 })
    case 'array':
      return fc.array(anyValue(field.element as Field, version), { maxLength: 3 })
    case 'struct':
      return messageOf(field.fields as Fields, version)
  }
}

function defaultOf(field: Field): unknown {
  if (field.kind === 'array' && Array.isArray(field.default)) return []
  if (field.kind !== 'struct' || field.default !== undefined) return field.default
  return Object.fromEntries(Object.entries(field.fields as Fields).map(([name, inner]) => [name, defaultOf(inner)]))
}

function expectRoundTrips(schema: Schema, version: number): void {
  fc.assert(
    fc.property(messageOf(schema.fields, version), message => {
      const bytes = encodeMessage(schema, version, message)
      expect(decodeMessage(schema, version, bytes)).toEqual(message)
    }),
    { numRuns: 15 }
  )
}

describe('every message', () => {
  for (const api of apis) {
    it(`of ${api.name} comes back from its bytes in every version`, () => {
      for (let version = api.versions.min; version <= api.versions.max; version++) {
        expectRoundTrips(api.request, version)
        expectRoundTrips(api.response, version)
      }
    })
  }
})
