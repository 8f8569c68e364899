import { seededRandom } from '../../src/common/random.js'
import { fuzzCodec } from './fuzz-codec.js'
import { fuzzListener } from './fuzz-listener.js'

/** Fuzzes for as many seconds as the first argument says (default: 600), seed after seed; FUZZ_SEED begins at a given one. */
const seconds = Number(process.argv[2] ?? 600)
if (!(seconds > 0)) throw new TypeError(`Expected a number of seconds, got ${process.argv[2]}`)
const end = Date.now() + seconds * 1000
const baseline = process.memoryUsage().rss
let seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)
let runs = 0
while (Date.now() < end) {
  try {
    fuzzCodec(seededRandom(seed), 2000)
    await fuzzListener(seededRandom(seed), 500)
  } catch (error) {
    console.error(`FUZZ_SEED=${seed} fails`)
    throw error
  }
  seed = (seed + 1) % 2 ** 31
  runs++
}
const grown = Math.round((process.memoryUsage().rss - baseline) / 2 ** 20)
console.log(`${runs} runs without a failure; resident memory grew by ${grown} MiB`)
