import { writeStartOfText } from '../common/bytes.js'
import { writeVarlong } from '../common/varint.js'
import { instantiate } from '../common/wasm.js'
import { mostWritten, recordsModule } from './records-wasm.js'

/** How many records are encoded at a time, at most. */
export const mostTextRecords = 64
/** UTF-16 units that their texts may have together. */
export const mostTextUnits = 16 * 1024
/** An offset delta that can be written has to be below this. */
export const mostOffsetDelta = mostWritten / 2 - mostTextRecords

/** Bytes that may be read or written behind the end. */
const slack = 16
const textStart = 0
const sizesStart = mostTextUnits + slack
const recordStart = sizesStart + 8 * mostTextRecords
const outputStart = recordStart + slack
/** Bytes in a text of UTF-8 that a truncated one may lack at its end. */
const longestCharacter = 4

type Encode = (
  sizes: number,
  sizesEnd: number,
  texts: number,
  to: number,
  offsetDelta: number,
  start: number,
  startLength: number
) => number

interface Encoder {
  readonly memory: Uint8Array
  readonly sizes: Int32Array
  readonly encode: Encode
}

let encoder: Encoder | null | undefined

function makeEncoder(): Encoder | null {
  const module = instantiate<{ memory: { buffer: ArrayBuffer }; encode: Encode }>(recordsModule)
  if (!module) return null
  const { buffer } = module.memory
  return { memory: new Uint8Array(buffer), sizes: new Int32Array(buffer, sizesStart, 2 * mostTextRecords), encode: module.encode }
}

/**
 * Encodes records without headers whose keys and values, in turns, are the first `count` of `texts`, and which share a timestamp. A call into Node
 * for each text would cost more than all the rest, so all go through one, and WebAssembly puts the records together. Returns the records, in memory
 * that the next call uses again, or `undefined` where it cannot be done in this way: the texts are not all ASCII, or the platform lacks what it takes.
 */
export function encodeTexts(
  texts: readonly (string | null)[],
  count: number,
  firstOffsetDelta: number,
  timestampDelta: number
): Uint8Array | undefined {
  if (encoder === undefined) encoder = makeEncoder()
  if (encoder === null) return undefined
  const { memory, sizes } = encoder
  let all = ''
  for (let i = 0; i < count; i++) {
    const text = texts[i]
    if (text === null) sizes[i] = 1
    else {
      sizes[i] = 2 * text.length
      all += text
    }
  }
  // A text that has been cut for want of room still shows that it is longer in UTF-8.
  if (writeStartOfText(memory, textStart, all, all.length + longestCharacter) !== all.length) return undefined
  memory[recordStart] = 0
  const recordStartEnd = writeVarlong(memory, recordStart + 1, timestampDelta)
  const end = encoder.encode(
    sizesStart,
    sizesStart + 4 * count,
    textStart,
    outputStart,
    2 * firstOffsetDelta,
    recordStart,
    recordStartEnd - recordStart
  )
  return memory.subarray(outputStart, end)
}
