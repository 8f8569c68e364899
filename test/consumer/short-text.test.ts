import fc from 'fast-check'
import { expect, it } from 'vitest'
import { readShortText } from '../../src/consumer/short-text.js'

it('reads every text as UTF-8, short or long, ASCII or not', () => {
  fc.assert(
    fc.property(
      fc.oneof(fc.string(), fc.string({ unit: 'grapheme' }), fc.string({ minLength: 20, maxLength: 30 })),
      fc.nat(9),
      (text, start) => {
        const encoded = new TextEncoder().encode(text)
        const bytes = new Uint8Array(start + encoded.length + 3).fill(0xff)
        bytes.set(encoded, start)
        expect(readShortText(bytes, start, start + encoded.length)).toBe(text)
      }
    )
  )
})
