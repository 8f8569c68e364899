import { type Random, randomInteger } from '../../src/common/random.js'

const words = ['origin', 'delay', 'null', '{"id":', '"time":"2026-11-20T', 'SFO', 'true', ',', '0.', 'é', 'user-', '\n']

/** Content of the kinds that batches hold, from what compresses to nothing to what does not compress at all. */
export const contents: { [name: string]: (size: number, random: Random) => Uint8Array } = {
  zeros: size => new Uint8Array(size),
  noise: (size, random) => Uint8Array.from({ length: size }, () => randomInteger(random, 256)),
  'few values': (size, random) => Uint8Array.from({ length: size }, () => randomInteger(random, 3)),
  'a short period': (size, random) => {
    const period = 1 + randomInteger(random, 40)
    return Uint8Array.from({ length: size }, (_, i) => (i % period) * 37)
  },
  text: (size, random) => {
    const all = new Uint8Array(size)
    let position = 0
    while (position < size) {
      const word = Buffer.from(words[randomInteger(random, words.length)] + (random.next() < 0.3 ? randomInteger(random, 1000) : ''))
      all.set(word.subarray(0, size - position), position)
      position += word.length
    }
    return all
  },
  'noise with repeats from afar': (size, random) => {
    const all = contents.noise(size, random)
    for (let i = 0; i < size / 300; i++) {
      const from = randomInteger(random, size)
      all.copyWithin(randomInteger(random, size), from, from + randomInteger(random, 400))
    }
    return all
  }
}

/** Many arrays, of sizes from 1 byte to `largest`, small ones more often than large ones. */
export function* samples(count: number, largest: number, random: Random): Generator<Uint8Array> {
  const kinds = Object.values(contents)
  for (let i = 0; i < count; i++) {
    const size = Math.round(largest ** random.next())
    yield kinds[i % kinds.length](size, random)
  }
}
