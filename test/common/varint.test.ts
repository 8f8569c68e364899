import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  encodedSize,
  readUvarint,
  readVarint,
  readVarlong,
  uvarintSize,
  varintSize,
  varlongSize,
  writeUvarint,
  writeVarint,
  writeVarlong
} from '../../src/common/varint.js'

const kinds = {
  uvarint: { write: writeUvarint, read: readUvarint, size: uvarintSize, values: fc.integer({ min: 0, max: 2 ** 32 - 1 }) },
  varint: { write: writeVarint, read: readVarint, size: varintSize, values: fc.integer() },
  varlong: { write: writeVarlong, read: readVarlong, size: varlongSize, values: fc.maxSafeInteger() }
}

const written = (kind: keyof typeof kinds, value: number) => {
  const bytes = new Uint8Array(12)
  return bytes.slice(0, kinds[kind].write(bytes, 0, value))
}
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

describe('numbers of variable length', () => {
  it.each([
    ['uvarint', 0, '00'],
    ['uvarint', 127, '7f'],
    ['uvarint', 128, '8001'],
    ['uvarint', 300, 'ac02'],
    ['uvarint', 2 ** 32 - 1, 'ffffffff0f'],
    ['varint', 0, '00'],
    ['varint', -1, '01'],
    ['varint', 1, '02'],
    ['varint', 63, '7e'],
    ['varint', -64, '7f'],
    ['varint', 64, '8001'],
    ['varint', -65, '8101'],
    ['varint', 8191, 'fe7f'],
    ['varint', -8192, 'ff7f'],
    ['varint', 8192, '808001'],
    ['varint', -8193, '818001'],
    ['varint', 1048575, 'feff7f'],
    ['varint', 1048576, '80808001'],
    ['varint', 2 ** 31 - 1, 'feffffff0f'],
    ['varint', -(2 ** 31), 'ffffffff0f'],
    ['varlong', -65, '8101'],
    ['varlong', 2 ** 31, '8080808010'],
    ['varlong', -(2 ** 31) - 1, '8180808010'],
    ['varlong', 17179869183, 'feffffff7f'],
    ['varlong', 17179869184, '808080808001'],
    ['varlong', -17179869185, '818080808001'],
    ['varlong', 2 ** 53 - 1, 'feffffffffffff1f'],
    ['varlong', -(2 ** 53 - 1), 'fdffffffffffff1f']
  ] as const)('%s %d is %s', (kind, value, expected) => {
    expect(hex(written(kind, value))).toBe(expected)
    expect(kinds[kind].size(value)).toBe(expected.length / 2)
    expect(kinds[kind].read(Buffer.from(expected, 'hex'), 0)).toBe(value)
  })

  it.each(Object.keys(kinds) as (keyof typeof kinds)[])('every %s reads as it was written, with the size foretold', kind => {
    const edges = fc.integer({ min: 0, max: 52 }).chain(bit => fc.constantFrom(2 ** bit - 1, 2 ** bit, -(2 ** bit), -(2 ** bit) - 1))
    const inRange = edges.filter(value =>
      kind === 'varlong' ? true : kind === 'varint' ? value === (value | 0) : value >= 0 && value < 2 ** 32
    )
    fc.assert(
      fc.property(fc.oneof(kinds[kind].values, inRange), fc.nat(3), (value, position) => {
        const bytes = new Uint8Array(16)
        const end = kinds[kind].write(bytes, position, value)
        expect(end - position).toBe(kinds[kind].size(value))
        expect(encodedSize(bytes, position)).toBe(end - position)
        expect(kinds[kind].read(bytes, position)).toBe(value)
      })
    )
  })

  it('that never end, or end too late, read as NaN', () => {
    for (const kind of Object.values(kinds)) {
      expect(kind.read(new Uint8Array(0), 0)).toBeNaN()
      expect(kind.read(new Uint8Array([0x80]), 0)).toBeNaN()
      expect(kind.read(new Uint8Array(20).fill(0xff), 0)).toBeNaN()
    }
    expect(readVarint(new Uint8Array([0x80, 0x80, 0x80, 0x80, 0x80, 0]), 0)).toBeNaN()
    expect(readVarlong(new Uint8Array([...new Array(9).fill(0x80), 0]), 0)).toBe(0)
    expect(readVarlong(new Uint8Array([...new Array(10).fill(0x80), 0]), 0)).toBeNaN()
  })
})
