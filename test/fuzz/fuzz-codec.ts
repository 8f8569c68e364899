import assert from 'node:assert'
import { type Random, randomInteger } from '../../src/common/random.js'
import { KafkaError } from '../../src/errors.js'
import { apis } from '../../src/protocol/apis.js'
import { decodeMessage, encodeMessage } from '../../src/protocol/codec.js'
import { mutate, RandomMessages } from './random-message.js'

/** Writes and reads random messages of random APIs and versions: whole ones come back as they were, damaged ones do nothing worse than to be refused. */
export function fuzzCodec(random: Random, rounds: number): void {
  const messages = new RandomMessages(random)
  for (let round = 0; round < rounds; round++) {
    const api = apis[randomInteger(random, apis.length)]
    const schema = random.next() < 0.5 ? api.request : api.response
    const version = api.versions.min + randomInteger(random, api.versions.max - api.versions.min + 1)
    const bytes = encodeMessage(schema, version, messages.message(schema.fields, version)).slice()
    const read = decodeMessage(schema, version, bytes)
    assert.deepStrictEqual(encodeMessage(schema, version, read).slice(), bytes, `${schema.name} v${version} is written differently`)
    for (let i = 0; i < 4; i++) {
      const damaged = mutate(random, bytes)
      try {
        decodeMessage(schema, version, damaged)
      } catch (error) {
        if (!(error instanceof KafkaError) || error.code !== 'INVALID_REQUEST') throw error
      }
    }
  }
}
