import { writeStartOfText } from '../common/bytes.js'
import { writeVarlong } from '../common/varint.js'
import { instantiate } from '../common/wasm.js'
import { noTimestamp } from './batch-header.js'
import type { Field } from './record.js'
import { mostWritten, recordsModule } from './records-wasm.js'

/** The most records that are encoded at a time. */
const mostRecords = 64
/** UTF-16 units that their texts may have together. */
const mostUnits = 16 * 1024
/**
 * A text above this many units is better encoded on its own: a call for it alone costs little
 * beside it.
 */
const mostUnitsOfText = 384
/** Fewer records than these are quicker encoded one by one. */
const fewRecords = 4
/** An offset delta that can be written has to be below this. */
const mostOffsetDelta = mostWritten / 2

/** Bytes that may be read or written behind the end. */
const slack = 16
const textStart = 0
const sizesStart = mostUnits + slack
const recordStart = sizesStart + 8 * mostRecords
const outputStart = recordStart + slack
/** Bytes of the longest character in UTF-8. */
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
  return { memory: new Uint8Array(buffer), sizes: new Int32Array(buffer, sizesStart, 2 * mostRecords), encode: module.encode }
}

/** True if a key or value is best encoded together with those of other records. */
export function isGatheredText(content: Field): content is string | null {
  return content === null || (typeof content === 'string' && content.length <= mostUnitsOfText)
}

/**
 * Records without headers, with the same timestamp and keys and values of text, that wait to be
 * encoded together. A call into Node for each text would cost more than all the rest, so all go
 * through one, and WebAssembly puts the records together.
 */
export class TextRecords {
  /** Keys and values, in turns; only those of the first `count` records count. */
  readonly #texts: (string | null)[] = []
  #units = 0
  count = 0
  timestamp = noTimestamp
  /**
   * True if they could not be encoded together, and others are not likely to be: there was text
   * that is not ASCII.
   */
  isInVain = false

  /** True if a record can join those that are here. */
  hasRoomFor(timestamp: number, units: number): boolean {
    return this.count === 0 || (this.count < mostRecords && timestamp === this.timestamp && this.#units + units <= mostUnits)
  }

  add(timestamp: number, units: number, key: string | null, value: string | null): void {
    const place = 2 * this.count++
    this.#texts[place] = key
    this.#texts[place + 1] = value
    this.#units += units
    this.timestamp = timestamp
  }

  key(index: number): string | null {
    return this.#texts[2 * index]
  }

  value(index: number): string | null {
    return this.#texts[2 * index + 1]
  }

  /**
   * The records as they stand in a batch, in memory that the next call uses again. `undefined`
   * where it cannot be done in this way, or would not be worth it: the texts are few or not all
   * ASCII, offsets grow too large, or the platform lacks what it takes.
   */
  encode(firstOffsetDelta: number, timestampDelta: number): Uint8Array | undefined {
    if (this.count < fewRecords || firstOffsetDelta + this.count > mostOffsetDelta) return undefined
    if (encoder === undefined) encoder = makeEncoder()
    this.isInVain = true
    if (encoder === null) return undefined
    const { memory, sizes } = encoder
    const texts = this.#texts
    const textCount = 2 * this.count
    for (let i = 0; i < textCount; i++) {
      const text = texts[i]
      sizes[i] = text === null ? 1 : 2 * text.length
    }
    const all = (texts.length === textCount ? texts : texts.slice(0, textCount)).join('')
    // A text that has been cut for want of room still shows that it is longer in UTF-8.
    if (writeStartOfText(memory, textStart, all, all.length + longestCharacter) !== all.length) return undefined
    this.isInVain = false
    memory[recordStart] = 0
    const startLength = writeVarlong(memory, recordStart + 1, timestampDelta) - recordStart
    const sizesEnd = sizesStart + 4 * textCount
    const end = encoder.encode(sizesStart, sizesEnd, textStart, outputStart, 2 * firstOffsetDelta, recordStart, startLength)
    return memory.subarray(outputStart, end)
  }

  /** Makes room for others. */
  clear(): void {
    this.count = 0
    this.#units = 0
  }

  /** Releases all texts that have been here. */
  forget(): void {
    this.clear()
    this.isInVain = false
    for (let i = 0; i < this.#texts.length; i++) this.#texts[i] = null
  }
}
