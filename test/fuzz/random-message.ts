import { type Random, randomInteger } from '../../src/common/random.js'
import { randomUuid } from '../../src/common/uuid.js'
import { type Field, type Fields, includesVersion } from '../../src/protocol/message.js'

/** Makes messages that fit a table in a version, with values that are ordinary, and with the odd ones that code forgets. */
export class RandomMessages {
  readonly #random: Random
  readonly #names: readonly string[]

  /** `names` are used for strings now and then, so that requests meet things that exist. */
  constructor(random: Random, names: readonly string[] = ['t', 'g', 'm']) {
    this.#random = random
    this.#names = names
  }

  message(fields: Fields, version: number): Record<string, unknown> {
    const present = Object.entries(fields).filter(([, field]) => includesVersion(field.versions, version))
    return Object.fromEntries(present.map(([name, field]) => [name, this.#value(field, version)]))
  }

  #value(field: Field, version: number): unknown {
    if (includesVersion(field.nullable, version) && this.#chance(0.2)) return null
    switch (field.kind) {
      case 'bool':
        return this.#chance(0.5)
      case 'int8':
        return this.#integer(-128, 127)
      case 'int16':
        return this.#integer(-32768, 32767)
      case 'uint16':
        return this.#integer(0, 65535)
      case 'int32':
        return this.#integer(-2147483648, 2147483647)
      case 'uint32':
        return this.#integer(0, 4294967295)
      case 'int64':
        return this.#integer(Number.MIN_SAFE_INTEGER, Number.MAX_SAFE_INTEGER)
      case 'float64':
        return this.#random.next() * 1000
      case 'uuid':
        return randomUuid(this.#random)
      case 'string':
        return this.#text()
      case 'bytes':
      case 'records':
        return this.bytes(randomInteger(this.#random, this.#chance(0.1) ? 5000 : 100))
      case 'array':
        return Array.from({ length: this.#chance(0.3) ? 0 : randomInteger(this.#random, 4) }, () =>
          this.#value(field.element as Field, version)
        )
      case 'struct':
        return this.message(field.fields as Fields, version)
    }
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => randomInteger(this.#random, 256))
  }

  #text(): string {
    if (this.#chance(0.5)) return this.#names[randomInteger(this.#random, this.#names.length)]
    const alphabet = ['a', 'Z', '0', '.', '-', '_', '/', '\0', 'ü', '→', '🙂', ' ']
    return Array.from(
      { length: randomInteger(this.#random, this.#chance(0.05) ? 400 : 12) },
      () => alphabet[randomInteger(this.#random, alphabet.length)]
    ).join('')
  }

  #integer(least: number, greatest: number): number {
    const edges = [least, greatest, 0, 1, -1, 2, 10, 100].filter(edge => edge >= least && edge <= greatest)
    if (this.#chance(0.7)) return edges[randomInteger(this.#random, edges.length)]
    return Math.min(greatest, Math.max(least, Math.floor(least + this.#random.next() * (greatest - least))))
  }

  #chance(probability: number): boolean {
    return this.#random.next() < probability
  }
}

/** Damages bytes as a bad line, a bad client or an attacker might. */
export function mutate(random: Random, bytes: Uint8Array): Uint8Array {
  const damaged = bytes.slice()
  const kind = randomInteger(random, 5)
  const at = () => randomInteger(random, Math.max(1, damaged.length))
  switch (kind) {
    case 0:
      for (let i = randomInteger(random, 4); i >= 0; i--) damaged[at()] ^= 1 << randomInteger(random, 8)
      return damaged
    case 1:
      for (let i = randomInteger(random, 8); i >= 0; i--) damaged[at()] = [0, 0xff, 0x7f, 0x80][randomInteger(random, 4)]
      return damaged
    case 2:
      return damaged.subarray(0, at())
    case 3:
      return damaged.fill(0xff, at(), at() + 4)
    default: {
      const start = at()
      return Uint8Array.from([...damaged.subarray(0, start), ...damaged.subarray(at())])
    }
  }
}
