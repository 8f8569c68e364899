import { describe, it } from 'vitest'
import { seededRandom } from '../../src/common/random.js'
import { fuzzCodec } from './fuzz-codec.js'
import { fuzzListener } from './fuzz-listener.js'

const seed = Number(process.env.FUZZ_SEED ?? Date.now() % 2 ** 31)

describe(`random bytes (FUZZ_SEED=${seed})`, () => {
  it('are written and read alike by the codec, or refused', () => fuzzCodec(seededRandom(seed), 1500))
  it('do a listener no harm', () => fuzzListener(seededRandom(seed), 200), 60_000)
})
