import { describe, expect, it } from 'vitest'
import { readText, textBytes } from '../../../src/common/bytes.js'
import { decodeLeaderEpochs, encodeLeaderEpochs, encodeOffsets, offsetsByFolder, readOffsets } from '../../../src/log/history/checkpoint.js'

const textOf = (bytes: Uint8Array) => readText(bytes, 0, bytes.length)

describe('a checkpoint of offsets', () => {
  it('is the text that Kafka writes', () => {
    const offsets = new Map([
      ['orders-0', 17],
      ['a-b.c_d-12', 9_007_199_254_740_991]
    ])
    const bytes = encodeOffsets(offsets)
    expect(textOf(bytes)).toBe('0\n2\norders 0 17\na-b.c_d 12 9007199254740991\n')
    expect(offsetsByFolder(readOffsets(bytes).entries)).toEqual(offsets)
    expect(textOf(encodeOffsets(new Map()))).toBe('0\n0\n')
    expect(readOffsets(textBytes('0\n0\n'))).toEqual({ entries: [], faults: [] })
  })

  it('says in which line its version, its count or an entry does not fit', () => {
    for (const [text, ...lines] of [
      ['', 1, 2],
      ['1\n0\n', 1],
      ['0\n2\na 0 1\n', 2],
      ['0\n1\na 0\n', 3],
      ['0\n1\na 0 -1\n', 3],
      ['0\n1\na 0 x\n', 3],
      ['0\n1\na 0 3.5\n', 3],
      ['0\n1\n 0 3\n', 3],
      ['0\nx\n', 2],
      ['0\n1\na 0 99999999999999999\n', 3]
    ] as [string, ...number[]][]) {
      const { faults } = readOffsets(textBytes(text))
      expect([text, ...faults.map(({ line }) => line)]).toEqual([text, ...lines])
    }
  })

  it('keeps what its other lines say when one is damaged', () => {
    const { entries, faults } = readOffsets(textBytes('0\n4\na 0 7\nb 1 3.5\na 1 8\na 0 6\n'))
    expect(offsetsByFolder(entries)).toEqual(
      new Map([
        ['a-0', 6],
        ['a-1', 8]
      ])
    )
    expect(faults).toEqual([
      { line: 4, reason: "'3.5' stands where the offset should" },
      { line: 6, reason: 'a-0 is in it a second time' }
    ])
  })

  it('is never written with a line that could not be read', () => {
    for (const [folder, offset] of [
      ['orders-0', 3.5],
      ['orders-0', -1],
      ['orders-0', Number.NaN],
      ['orders-0', 2 ** 53],
      ['a b-0', 1],
      ['-0', 1],
      ['a\nb-0', 1]
    ] as const)
      expect(() => encodeOffsets(new Map([[folder, offset]])), `${folder} ${offset}`).toThrow('A checkpoint cannot hold the line')
    expect(() => encodeLeaderEpochs([{ epoch: 0.5, startOffset: 0 }])).toThrow('A checkpoint cannot hold the line')
  })
})

describe('the checkpoint of leader epochs', () => {
  it('is the text that Kafka writes', () => {
    const entries = [
      { epoch: 0, startOffset: 0 },
      { epoch: 4, startOffset: 120 }
    ]
    const bytes = encodeLeaderEpochs(entries)
    expect(textOf(bytes)).toBe('0\n2\n0 0\n4 120\n')
    expect(decodeLeaderEpochs(bytes)).toEqual(entries)
  })

  it('is refused when epochs or offsets go back', () => {
    for (const text of ['0\n2\n4 0\n0 120\n', '0\n2\n0 120\n4 120\n']) expect(() => decodeLeaderEpochs(textBytes(text))).toThrow()
  })
})
