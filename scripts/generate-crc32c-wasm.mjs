/**
 * Writes src/common/crc32c-wasm.ts: a WebAssembly module that shortens a message without changing its CRC-32C.
 *
 * How: take a polynomial T(x) = x^a + x^b + … + 1 that is a multiple of the CRC's own polynomial G(x). So is T(x)^128 = T(x^128), whose
 * terms lie multiples of 128 bits apart. Modulo G, a chunk of 128 bits may therefore be dropped if it is xored into the chunks that come
 * a - b, …, a places later. Doing so from the front leaves the last `a` chunks. It takes no shifts, no tables and no carry-less
 * multiplication (which WebAssembly lacks), only loads and xors, as few as T has terms.
 *
 * Few terms make a fast step, a small `a` makes a short rest, and a wide gap between x^a and the next term keeps a step from waiting
 * for the store of the one before. The search that found these multiples: write x^a + x^b + x^c = x^d + x^e + 1 (and the like for eight terms),
 * keep the right sides in a map, look the left sides up.
 *
 * Run: node scripts/generate-crc32c-wasm.mjs
 */
import { writeFileSync } from 'node:fs'

const multiples = {
  /** For the bulk: five loads a chunk. */
  foldLong: { exponents: [209, 144, 54, 39, 14, 0], unitBytes: 16 },
  /** For what that leaves: seven loads a chunk. */
  foldShort: { exponents: [92, 80, 65, 24, 18, 17, 13, 0], unitBytes: 16 },
  /** For what is left then. With terms 32 bits apart its loads are not aligned to its stores, so a chunk takes longer. */
  foldTail: { exponents: [92, 80, 65, 24, 18, 17, 13, 0], unitBytes: 4 }
}
const chunkBytes = 16
const unroll = 4

const castagnoli = 0x1edc6f41

/** x^exponent modulo G, without the x^32 of G. */
function power(exponent) {
  let value = 1
  for (let i = 0; i < exponent; i++) value = ((value << 1) ^ (value & 0x80000000 ? castagnoli : 0)) >>> 0
  return value
}

for (const [name, { exponents }] of Object.entries(multiples)) {
  if (exponents.reduce((sum, exponent) => sum ^ power(exponent), 0) !== 0) throw new Error(`${name} is no multiple of CRC-32C's polynomial`)
}

// The parts of the binary format that are needed here.
const unsigned = value => (value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...unsigned(value >>> 7)])
const signed = value => {
  const byte = value & 0x7f
  const rest = value >> 7
  return (rest === 0 && !(byte & 0x40)) || (rest === -1 && byte & 0x40) ? [byte] : [byte | 0x80, ...signed(rest)]
}
const text = value => [...unsigned(value.length), ...Buffer.from(value)]
const vector = items => [...unsigned(items.length), ...items.flat()]
const section = (id, content) => [id, ...unsigned(content.length), ...content]

const i32 = 0x7f
const noResult = 0x40
const localGet = index => [0x20, index]
const localSet = index => [0x21, index]
const localTee = index => [0x22, index]
const i32Const = value => [0x41, ...signed(value)]
const i32Add = [0x6a]
const i32Sub = [0x6b]
const i32LessUnsigned = [0x49]
const loop = body => [0x03, noResult, ...body, 0x0b]
const branchIf = depth => [0x0d, depth]
const load = offset => [0xfd, 0x00, 0x00, ...unsigned(offset)]
const store = offset => [0xfd, 0x0b, 0x00, ...unsigned(offset)]
const xor = [0xfd, 0x51]

const windowOf = ({ exponents, unitBytes }) => exponents[0] * unitBytes

/**
 * (folded, data, end) => void: for each chunk from `data` up to `end`, xors into it the chunks that T names, counted back from the same
 * place in `folded`. To fold the front of a message in place, `folded` and `data` are both its start.
 */
function foldFunction({ exponents, unitBytes }) {
  const [folded, data, end] = [0, 1, 2]
  const distances = exponents.slice(1).map(exponent => exponents[0] - exponent)
  const window = windowOf({ exponents, unitBytes })
  const step = Array.from({ length: unroll }, (_, k) => [
    ...localGet(data),
    ...localGet(data),
    ...load(k * chunkBytes),
    ...distances.flatMap(distance => [...localGet(folded), ...load(window - distance * unitBytes + k * chunkBytes), ...xor]),
    ...store(k * chunkBytes)
  ]).flat()
  const body = [
    ...[...localGet(folded), ...i32Const(window), ...i32Sub, ...localSet(folded)],
    ...loop([
      ...step,
      ...[...localGet(folded), ...i32Const(unroll * chunkBytes), ...i32Add, ...localSet(folded)],
      ...[...localGet(data), ...i32Const(unroll * chunkBytes), ...i32Add, ...localTee(data)],
      ...[...localGet(end), ...i32LessUnsigned, ...branchIf(0)]
    ])
  ]
  const noLocals = [0]
  const code = [...noLocals, ...body, 0x0b]
  return [...unsigned(code.length), ...code]
}

const pages = 2
const names = Object.keys(multiples)
const module = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  ...section(1, vector([[0x60, ...vector([[i32], [i32], [i32]]), ...vector([])]])),
  ...section(3, vector(names.map(() => [0]))),
  ...section(5, vector([[0x01, ...unsigned(pages), ...unsigned(pages)]])),
  ...section(7, vector([[...text('memory'), 0x02, 0x00], ...names.map((name, index) => [...text(name), 0x00, index])])),
  ...section(10, vector(names.map(name => foldFunction(multiples[name]))))
])
if (!WebAssembly.validate(module)) throw new Error('The module is not valid')

const base64 = Buffer.from(module).toString('base64')
const lines = base64.match(/.{1,120}/g).map(line => `  '${line}'`)
writeFileSync(
  new URL('../src/common/crc32c-wasm.ts', import.meta.url),
  `/** Generated by scripts/generate-crc32c-wasm.mjs, which also explains it: a WebAssembly module of ${module.length} bytes, in base64. */
export const crc32cModule =
${lines.join(' +\n')}

/** Bytes that folding leaves at the end, and the bytes of zeros that it wants before the message. */
export const foldLongWindow = ${windowOf(multiples.foldLong)}
export const foldShortWindow = ${windowOf(multiples.foldShort)}
export const foldTailWindow = ${windowOf(multiples.foldTail)}
/** Bytes folded at a time. */
export const foldStep = ${unroll * chunkBytes}
`
)
