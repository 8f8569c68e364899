import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { concatBytes } from '../../src/common/bytes.js'
import { FrameReader } from '../../src/wire/frame.js'

function framed(payload: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(4 + payload.length)
  new DataView(bytes.buffer).setInt32(0, payload.length)
  bytes.set(payload, 4)
  return bytes
}

/** Feeds a stream in pieces of the given sizes, the last of them again and again. */
function readIn(pieces: readonly number[], stream: Uint8Array, reader = new FrameReader(() => 1_000_000)): Uint8Array[] {
  const frames: Uint8Array[] = []
  let position = 0
  for (let i = 0; position < stream.length; i++) {
    const size = Math.max(1, pieces[Math.min(i, pieces.length - 1)])
    for (const frame of reader.push(stream.slice(position, position + size))) frames.push(frame.slice())
    position += size
  }
  return frames
}

describe('frames', () => {
  it('are the same in whatever pieces they arrive', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 300 }), { maxLength: 8 }),
        fc.array(fc.integer({ min: 1, max: 200 }), { minLength: 1 }),
        (payloads, pieces) => {
          expect(readIn(pieces, concatBytes(payloads.map(framed)))).toEqual(payloads)
        }
      )
    )
  })

  it('that are large are gathered piece by piece', () => {
    const payload = Uint8Array.from({ length: 3_000_000 }, (_, i) => i)
    const [frame] = readIn([7, 65536], framed(payload), new FrameReader(() => 4_000_000))
    expect(Buffer.compare(frame, payload)).toBe(0)
  })

  it('take no memory for what was only announced', () => {
    const reader = new FrameReader(() => 2 ** 31 - 1)
    const before = process.memoryUsage().arrayBuffers
    expect([...reader.push(Uint8Array.of(0x7f, 0xff, 0xff, 0xff, 1))]).toEqual([])
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2_000_000)
    expect(reader.pendingSize).toBe(2 ** 31 - 1)
  })

  it('tell whether one is under way', () => {
    const reader = new FrameReader(() => 100)
    expect(reader.midFrame).toBe(false)
    expect([...reader.push(Uint8Array.of(0, 0))]).toEqual([])
    expect(reader.midFrame).toBe(true)
    expect([...reader.push(Uint8Array.of(0, 2, 8, 9))]).toEqual([Uint8Array.of(8, 9)])
    expect(reader.midFrame).toBe(false)
  })

  it('never share memory that `slice` would not copy', () => {
    const [frame] = new FrameReader(() => 100).push(Buffer.from([0, 0, 0, 1, 5]))
    expect(Object.getPrototypeOf(frame)).toBe(Uint8Array.prototype)
  })
})
