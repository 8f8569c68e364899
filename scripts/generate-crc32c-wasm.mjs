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
import { add, branchIf, constant, get, less, load128, loop, moduleOf, set, store128, subtract, tee, writeModule, xor128 } from './wasm.mjs'

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
    ...get(data),
    ...get(data),
    ...load128(k * chunkBytes),
    ...distances.flatMap(distance => [...get(folded), ...load128(window - distance * unitBytes + k * chunkBytes), ...xor128]),
    ...store128(k * chunkBytes)
  ]).flat()
  const body = [
    ...[...get(folded), ...constant(window), ...subtract, ...set(folded)],
    ...loop([
      ...step,
      ...[...get(folded), ...constant(unroll * chunkBytes), ...add, ...set(folded)],
      ...[...get(data), ...constant(unroll * chunkBytes), ...add, ...tee(data)],
      ...[...get(end), ...less, ...branchIf(0)]
    ])
  ]
  return { parameters: 3, locals: 0, hasResult: false, body }
}

const functions = Object.entries(multiples).map(([name, multiple]) => ({ name, ...foldFunction(multiple) }))
writeModule({
  file: 'src/common/crc32c-wasm.ts',
  script: 'generate-crc32c-wasm.mjs',
  name: 'crc32cModule',
  module: moduleOf(2, functions),
  more: `/** Bytes that folding leaves at the end, and the bytes of zeros that it wants before the message. */
export const foldLongWindow = ${windowOf(multiples.foldLong)}
export const foldShortWindow = ${windowOf(multiples.foldShort)}
export const foldTailWindow = ${windowOf(multiples.foldTail)}
/** Bytes folded at a time. */
export const foldStep = ${unroll * chunkBytes}
`
})
