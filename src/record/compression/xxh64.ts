/*
 * 64-bit numbers are two halves here: BigInt would be twenty times slower. `low` is set beside each
 * result, which is the high half.
 */
let low = 0

const high1 = 0x9e3779b1 | 0
const low1 = 0x85ebca87 | 0
const high2 = 0xc2b2ae3d | 0
const low2 = 0x27d4eb4f | 0
const high3 = 0x165667b1 | 0
const low3 = 0x9e3779f9 | 0
const high4 = 0x85ebca77 | 0
const low4 = 0xc2b2ae63 | 0
const high5 = 0x27d4eb2f | 0
const low5 = 0x165667c5 | 0

/**
 * The low 32 bits of xxHash of 64 bits with the seed 0: the checksum that a zstd frame ends with;
 * unsigned.
 */
export function xxh64Low(bytes: Uint8Array): number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length)
  const { length } = bytes
  let position = 0
  let high: number
  let lower: number
  if (length >= 32) {
    const highs = new Int32Array(4)
    const lows = new Int32Array(4)
    highs[0] = add(high1, low1, high2, low2)
    lows[0] = low
    highs[1] = high2
    lows[1] = low2
    highs[3] = add(~high1, ~low1, 0, 1)
    lows[3] = low
    for (; position <= length - 32; position += 32) {
      for (let lane = 0; lane < 4; lane++) {
        const at = position + 8 * lane
        highs[lane] = round(highs[lane], lows[lane], view.getInt32(at + 4, true), view.getInt32(at, true))
        lows[lane] = low
      }
    }
    high = 0
    lower = 0
    for (const [lane, bits] of [1, 7, 12, 18].entries()) {
      const turned = rotated(highs[lane], lows[lane], bits)
      high = add(high, lower, turned, low)
      lower = low
    }
    for (let lane = 0; lane < 4; lane++) {
      const mixed = round(0, 0, highs[lane], lows[lane])
      high = times(high ^ mixed, lower ^ low, high1, low1)
      high = add(high, low, high4, low4)
      lower = low
    }
  } else {
    high = high5
    lower = low5
  }
  high = add(high, lower, 0, length)
  lower = low
  for (; position <= length - 8; position += 8) {
    const mixed = round(0, 0, view.getInt32(position + 4, true), view.getInt32(position, true))
    high = rotated(high ^ mixed, lower ^ low, 27)
    high = times(high, low, high1, low1)
    high = add(high, low, high4, low4)
    lower = low
  }
  if (position <= length - 4) {
    const mixed = times(0, view.getInt32(position, true), high1, low1)
    high = rotated(high ^ mixed, lower ^ low, 23)
    high = times(high, low, high2, low2)
    high = add(high, low, high3, low3)
    lower = low
    position += 4
  }
  for (; position < length; position++) {
    const mixed = times(0, bytes[position], high5, low5)
    high = rotated(high ^ mixed, lower ^ low, 11)
    high = times(high, low, high1, low1)
    lower = low
  }
  // A shift by 33 bits moves the high half into the low one.
  high = times(high, lower ^ (high >>> 1), high2, low2)
  lower = low
  high = times(high ^ (high >>> 29), lower ^ ((lower >>> 29) | (high << 3)), high3, low3)
  return (low ^ high) >>> 0
}

function round(laneHigh: number, laneLow: number, high: number, lower: number): number {
  const product = times(high, lower, high2, low2)
  const sum = add(laneHigh, laneLow, product, low)
  const turned = rotated(sum, low, 31)
  return times(turned, low, high1, low1)
}

function add(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  const sum = (aLow >>> 0) + (bLow >>> 0)
  low = sum | 0
  return (aHigh + bHigh + (sum > 0xffffffff ? 1 : 0)) | 0
}

function rotated(high: number, lower: number, bits: number): number {
  low = (lower << bits) | (high >>> (32 - bits))
  return (high << bits) | (lower >>> (32 - bits))
}

function times(aHigh: number, aLow: number, bHigh: number, bLow: number): number {
  const a0 = aLow & 0xffff
  const a1 = aLow >>> 16
  const b0 = bLow & 0xffff
  const b1 = bLow >>> 16
  const first = Math.imul(a0, b0) >>> 16
  const middle = (Math.imul(a1, b0) >>> 0) + first
  const second = (Math.imul(a0, b1) >>> 0) + (middle & 0xffff)
  low = Math.imul(aLow, bLow)
  const carried = Math.imul(a1, b1) + ((middle / 0x10000) | 0) + ((second / 0x10000) | 0)
  return (carried + Math.imul(aHigh, bLow) + Math.imul(aLow, bHigh)) | 0
}
