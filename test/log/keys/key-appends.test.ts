import { gzipSync } from 'node:zlib'
import { afterEach, describe, expect, it } from 'vitest'
import { ReservedError } from '../../../src/log/keys/reservations.js'
import { Log, reserveAsOwner } from '../../../src/log/log.js'
import { BatchBuilder } from '../../../src/record/batch-builder.js'
import type { Codec } from '../../../src/record/compression/codec.js'
import { codecOf, registerCodec } from '../../../src/record/compression/codecs.js'
import { MemoryStorage } from '../../../src/storage/memory/memory.js'

const bytes = (text: string) => new TextEncoder().encode(text)
const gzip = codecOf('gzip')

afterEach(() => registerCodec(gzip))

describe('an append to a log with an index of keys', () => {
  it('decompresses a batch of a client once', async () => {
    let count = 0
    const counting: Codec = {
      ...gzip,
      compress: packed => gzipSync(packed),
      decompress: (...given) => {
        count++
        return gzip.decompress(...given)
      }
    }
    registerCodec(counting)
    const log = await Log.open(new MemoryStorage(), 'orders-0', { keyIndex: true })
    const builder = new BatchBuilder({ compression: 'gzip' })
    const batch = (keys: string[]) => {
      builder.reset()
      for (const key of keys) builder.append(1000, key, key === 'gone' ? null : 'v'.repeat(100))
      return builder.build()
    }
    await log.append(batch(['a', 'b', 'a']))
    await log.append(batch(['c', 'a', 'gone']))
    expect(count).toBe(2)
    await reserveAsOwner(log, { producerId: 7, keys: [{ key: bytes('held'), lastOffset: 'none' }], isOpen: () => true })
    await log.append(batch(['free']))
    expect(() => log.append(batch(['free', 'held']))).toThrowError(ReservedError)
    expect(count).toBe(4)
    expect(await log.lastOffsets(['a', 'b', 'c', 'gone', 'none'].map(bytes))).toEqual([4, 1, 3, 5, 'none'])
    await log.close()
  })

  it('tells a condition that is none by name', async () => {
    const log = await Log.open(new MemoryStorage(), 'orders-0', { keyIndex: true })
    const batch = new BatchBuilder()
    batch.append(1000, 'a', 'x')
    for (const [given, shown] of [
      [null, 'null'],
      [undefined, 'undefined'],
      [7, '7']
    ])
      expect(() => log.append(batch.build(), { condition: { keys: [given as never] } })).toThrowError(
        new TypeError(`Expected \`keys\` to hold conditions, each { key, lastOffset }, got \`${shown}\``)
      )
    await log.close()
  })
})
