/**
 * Writes src/record/records-wasm.ts: a WebAssembly module that puts texts which stand one behind the other, keys and values in turns, into the
 * records of a batch: it writes the lengths and deltas around them.
 *
 * encode(sizes, sizesEnd, texts, to, offsetDelta, start, startLength) => end
 *
 * `sizes` holds for each key and each value what stands before it in a record: twice the length, or 1 where it is null. `start` holds what all
 * records begin with, attributes and timestamp delta, in at most 16 bytes. Up to 16 bytes are read behind the texts, and written behind the records.
 *
 * Run: node scripts/generate-records-wasm.mjs
 */
import {
  add,
  and,
  atLeast,
  branchIf,
  constant,
  get,
  less,
  load,
  load128,
  loop,
  moduleOf,
  or,
  set,
  shiftLeft,
  shiftRight,
  store,
  store128,
  storeByte,
  subtract,
  tee,
  writeModule
} from './wasm.mjs'

const [sizes, sizesEnd, texts, to, offsetDelta, start, startLength, key, value, body, end] = Array.from({ length: 11 }, (_, index) => index)

const increase = (local, by) => [...get(local), ...by, ...add, ...set(local)]
/** 1 where the local is at least the limit, else 0. */
const isAtLeast = (local, limit) => [...get(local), ...constant(limit), ...atLeast]
/** How many bytes a number takes as a varint, up to three. */
const varintSize = local => [...constant(1), ...isAtLeast(local, 0x80), ...add, ...isAtLeast(local, 0x4000), ...add]
/** Groups of seven bits, each but the last with the bit that says that another one follows; without a branch, since lengths vary. */
const writeVarint = local => [
  ...get(to),
  ...[...get(local), ...constant(0x7f), ...and],
  ...[...isAtLeast(local, 0x80), ...constant(7), ...shiftLeft, ...or],
  ...[...get(local), ...constant(0x3f80), ...and, ...constant(1), ...shiftLeft, ...or],
  ...[...isAtLeast(local, 0x4000), ...constant(15), ...shiftLeft, ...or],
  ...[...get(local), ...constant(0x1fc000), ...and, ...constant(2), ...shiftLeft, ...or],
  ...store(0),
  ...increase(to, varintSize(local))
]
const lengthOf = size => [...get(size), ...constant(1), ...shiftRight]
/** Copies sixteen bytes at a time, and steps back to where the text ends. */
const copyText = size => [
  ...[...get(to), ...lengthOf(size), ...add, ...set(end)],
  ...loop([
    ...[...get(to), ...get(texts), ...load128(0), ...store128(0)],
    ...increase(texts, constant(16)),
    ...[...get(to), ...constant(16), ...add, ...tee(to), ...get(end), ...less, ...branchIf(0)]
  ]),
  ...[...get(texts), ...get(to), ...get(end), ...subtract, ...subtract, ...set(texts)],
  ...[...get(end), ...set(to)]
]

const encode = {
  name: 'encode',
  parameters: 7,
  locals: 4,
  hasResult: true,
  body: [
    ...loop([
      ...[...get(sizes), ...load(0), ...set(key)],
      ...[...get(sizes), ...load(4), ...set(value)],
      ...[...get(startLength), ...constant(1), ...add],
      ...[...varintSize(offsetDelta), ...add],
      ...[...varintSize(key), ...add, ...lengthOf(key), ...add],
      ...[...varintSize(value), ...add, ...lengthOf(value), ...add],
      ...[...constant(1), ...shiftLeft, ...set(body)],
      ...writeVarint(body),
      ...[...get(to), ...get(start), ...load128(0), ...store128(0)],
      ...increase(to, get(startLength)),
      ...writeVarint(offsetDelta),
      ...writeVarint(key),
      ...copyText(key),
      ...writeVarint(value),
      ...copyText(value),
      ...[...get(to), ...constant(0), ...storeByte(0)],
      ...increase(to, constant(1)),
      ...increase(offsetDelta, constant(2)),
      ...[...get(sizes), ...constant(8), ...add, ...tee(sizes), ...get(sizesEnd), ...less, ...branchIf(0)]
    ]),
    ...get(to)
  ]
}

writeModule({
  file: 'src/record/records-wasm.ts',
  script: 'generate-records-wasm.mjs',
  name: 'recordsModule',
  module: moduleOf(1, [encode]),
  more: `/** Numbers below this one can be written, which are twice the length of a text, of a record, or an offset delta. */
export const mostWritten = ${2 ** 21}
`
})
