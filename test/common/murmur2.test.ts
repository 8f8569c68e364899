import { createRequire } from 'node:module'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { textBytes } from '../../src/common/bytes.js'
import { murmur2, murmur2Text } from '../../src/common/murmur2.js'

describe('murmur2', () => {
  it.each([
    ['21', -973932308],
    ['foobar', -790332482],
    ['a-little-bit-long-string', -985981536],
    ['a-little-bit-longer-string', -1486304829],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
    ['abc', 479470107],
    ['kafka', 0xd067cf64 | 0],
    ['1234', 0x9fc97b14 | 0],
    ['', 0x106e08d9]
  ])('of %j is that of Kafka, %d', (text, expected) => {
    expect(murmur2(textBytes(text))).toBe(expected)
    expect(murmur2Text(text)).toBe(expected)
  })

  it('of a text is that of its UTF-8 bytes', () => {
    const anyText = fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }))
    fc.assert(fc.property(anyText, text => murmur2Text(text) === murmur2(textBytes(text))))
  })

  it('of any bytes is what kafkajs computes', () => {
    const theirs = createRequire(import.meta.url)('kafkajs/src/producer/partitioners/default/murmur2.js') as (key: Buffer) => number
    fc.assert(fc.property(fc.uint8Array({ maxLength: 40 }), bytes => murmur2(bytes) === theirs(Buffer.from(bytes))))
  })
})
