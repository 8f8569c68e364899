import { describe, expect, it } from 'vitest'
import { readText, textBytes } from '../../src/common/bytes.js'
import { decodeLeaderEpochs, decodeOffsets, encodeLeaderEpochs, encodeOffsets } from '../../src/log/checkpoint.js'

const textOf = (bytes: Uint8Array) => readText(bytes, 0, bytes.length)

describe('a checkpoint of offsets', () => {
  it('is the text that Kafka writes', () => {
    const offsets = new Map([
      ['orders-0', 17],
      ['a-b.c_d-12', 9_007_199_254_740_991]
    ])
    const bytes = encodeOffsets(offsets)
    expect(textOf(bytes)).toBe('0\n2\norders 0 17\na-b.c_d 12 9007199254740991\n')
    expect(decodeOffsets(bytes)).toEqual(offsets)
    expect(textOf(encodeOffsets(new Map()))).toBe('0\n0\n')
    expect(decodeOffsets(textBytes('0\n0\n'))).toEqual(new Map())
  })

  it('is refused when its version, its count or a line does not fit', () => {
    for (const text of [
      '',
      '1\n0\n',
      '0\n2\na 0 1\n',
      '0\n1\na 0\n',
      '0\n1\na 0 -1\n',
      '0\n1\na 0 x\n',
      '0\nx\n',
      '0\n1\na 0 99999999999999999\n'
    ]) {
      expect(() => decodeOffsets(textBytes(text)), text).toThrowError(expect.objectContaining({ code: 'CORRUPT_MESSAGE' }))
    }
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
