import { describe, expect, it } from 'vitest'
import { historyOf } from '../../../src/log/log.js'
import type { CompressionType } from '../../../src/record/compression/codec.js'
import { codecOf } from '../../../src/record/compression/codecs.js'
import { RecordBatch } from '../../../src/record/record-batch.js'
import { noon } from '../helpers.js'
import { batchesOf, batchOf, contents, hour, openCompacted, recordsOf, write } from './helpers.js'

const codecs = (['none', 'gzip', 'snappy', 'lz4', 'zstd'] as const).filter(type => type === 'none' || isThere(type))

function isThere(type: Exclude<CompressionType, 'none'>): boolean {
  try {
    return codecOf(type) !== undefined
  } catch {
    return false // zstd comes with newer versions of Node
  }
}

describe('compaction', () => {
  it('keeps the last record of each key, at its offset', async () => {
    const { log } = await openCompacted()
    await write(log, 'a=1', 'b=1', 'a=2', 'c=1', 'b=2', 'z=1')
    expect(await log.compact()).toMatchObject({ firstDirtyOffset: 5, recordsRead: 5, recordsKept: 3 })
    expect(await contents(log)).toEqual(['2:a=2', '3:c=1', '4:b=2', '5:z=1'])
    expect(log).toMatchObject({ logStartOffset: 0, logEndOffset: 6, firstDirtyOffset: 5 })
  })

  it('leaves the active segment alone, whatever is in it', async () => {
    const { log } = await openCompacted({ segmentBytes: 1000 })
    await write(log, 'a=1', 'a=2', 'a=3')
    expect(await log.compact({ force: true })).toBeUndefined()
    expect(await contents(log)).toEqual(['0:a=1', '1:a=2', '2:a=3'])
  })

  it('drops an older record for a newer one that came after an earlier round', async () => {
    const { log } = await openCompacted()
    await write(log, 'a=1', 'b=1', 'c=1')
    await log.compact()
    await write(log, 'b=2', 'c=2', 'd=1')
    await log.compact()
    expect(await contents(log)).toEqual(['0:a=1', '3:b=2', '4:c=2', '5:d=1'])
  })

  it('keeps an older record when the newer one lies in the active segment', async () => {
    const { log } = await openCompacted()
    await write(log, 'a=1', 'b=1', 'a=2')
    await log.compact()
    expect(await contents(log)).toEqual(['0:a=1', '1:b=1', '2:a=2'])
  })

  it('takes out single records of a batch, and leaves its offsets, times, headers and leader epoch as they were', async () => {
    const { log } = await openCompacted({ segmentBytes: 400 })
    const records = [
      { key: 'a', value: '1', timestamp: noon },
      { key: 'b', value: '1', timestamp: noon + 5, headers: [{ key: 'h', value: 'x' }] },
      { key: 'c', value: '1', timestamp: noon - 7 },
      { key: 'a', value: '2', timestamp: noon + 9 },
      { key: 'd', value: '1', timestamp: noon + 3 }
    ]
    await log.append(RecordBatch.of(records).bytes, { leaderEpoch: 4 })
    log.configure({ segmentBytes: 100 })
    await write(log, 'd=2', 'e=1')
    await log.compact()
    const [batch] = await batchesOf(log)
    expect(batch).toMatchObject({ baseOffset: 0, lastOffset: 4, recordCount: 3, leaderEpoch: 4, maxTimestamp: noon + 9 })
    expect([...batch.records()].map(({ offset, timestamp }) => [offset, timestamp])).toEqual([
      [1, noon + 5],
      [2, noon - 7],
      [3, noon + 9]
    ])
    expect([...batch.records()][0].headers).toEqual([{ key: 'h', value: new TextEncoder().encode('x') }])
  })

  it('drops records without a key, which came before the log was compacted', async () => {
    const { log } = await openCompacted({ cleanupPolicy: 'delete' })
    await log.append(RecordBatch.of([{ value: 'x' }, { key: '', value: 'y' }]).bytes)
    log.configure({ cleanupPolicy: 'compact' })
    await write(log, 'a=1', 'b=1')
    await log.compact()
    expect(await contents(log)).toEqual(['1:=y', '2:a=1', '3:b=1'])
  })

  it('does nothing for a log that is not compacted, unless it is told to', async () => {
    const { log } = await openCompacted({ cleanupPolicy: 'delete' })
    await write(log, 'a=1', 'a=2', 'a=3')
    expect(await log.compact()).toBeUndefined()
    expect(await log.compact({ force: true })).toBeDefined()
    expect(await contents(log)).toEqual(['1:a=2', '2:a=3'])
  })

  it.each(codecs)('keeps batches in the codec they came in: %s', async compression => {
    const { log } = await openCompacted({ segmentBytes: 2000 })
    const many = (value: string) => Array.from({ length: 60 }, (_, i) => `k${i}=${value}`).join(' ')
    await log.append(batchOf(many('old'), { compression }))
    await log.append(batchOf(`${many('new').split(' ').slice(0, 50).join(' ')} k55=`, { compression }))
    log.configure({ segmentBytes: 100 })
    await write(log, 'x=1')
    await log.compact()
    const batches = await batchesOf(log)
    expect(batches.map(batch => batch.compression)).toEqual([compression, compression, 'none'])
    expect(batches.map(batch => batch.recordCount)).toEqual([9, 51, 1])
    const all = await recordsOf(log)
    expect(all.map(({ offset }) => offset)).toEqual([
      ...[50, 51, 52, 53, 54, 56, 57, 58, 59],
      ...Array.from({ length: 51 }, (_, i) => 60 + i),
      111
    ])
    expect(all.every(({ timestamp }) => timestamp === noon)).toBe(true)
  })

  it('keeps the time of the append where the log gives it', async () => {
    const { log, clock } = await openCompacted({ messageTimestampType: 'LogAppendTime', segmentBytes: 200 })
    await write(log, 'a=1 b=1 c=')
    await clock.advance(hour)
    await write(log, 'a=2')
    log.configure({ segmentBytes: 100 })
    await write(log, 'x=1')
    await log.compact()
    const [first] = await batchesOf(log)
    expect(first).toMatchObject({ timestampType: 'LogAppendTime', maxTimestamp: noon, deleteHorizon: noon + 25 * hour })
    expect((await recordsOf(log)).map(({ timestamp }) => timestamp - noon)).toEqual([0, 0, hour, hour])
  })
})

describe('tombstones', () => {
  it('stay for a while after they were first compacted, then go', async () => {
    const { log, clock } = await openCompacted({ deleteRetentionMs: hour })
    await write(log, 'a=1', 'b=1', 'a=', 'x=1')
    await log.compact()
    expect(await contents(log)).toEqual(['1:b=1', '2:a=', '3:x=1'])
    expect((await batchesOf(log)).map(batch => batch.deleteHorizon)).toEqual([undefined, noon + hour, undefined])
    expect((await recordsOf(log)).map(({ timestamp }) => timestamp)).toEqual([noon, noon, noon])

    await clock.advance(hour - 1)
    await write(log, 'x=2')
    await log.compact()
    expect(await contents(log)).toEqual(['1:b=1', '2:a=', '3:x=1', '4:x=2'])
    await clock.advance(1)
    await write(log, 'x=3')
    await log.compact()
    expect(await contents(log)).toEqual(['1:b=1', '4:x=2', '5:x=3'])
  })

  it('take the records before them away at once', async () => {
    const { log } = await openCompacted({ segmentBytes: 200 })
    await write(log, 'a=1 b=1 c=1', 'a= b= c=', 'x=1')
    log.configure({ segmentBytes: 100 })
    await write(log, 'x=2')
    await log.compact()
    expect(await contents(log)).toEqual(['3:a=', '4:b=', '5:c=', '6:x=1', '7:x=2'])
  })

  it('do not hide a record that came after them', async () => {
    const { log } = await openCompacted({ deleteRetentionMs: 0 })
    await write(log, 'a=1', 'a=', 'a=2', 'x=1')
    await log.compact()
    expect(await contents(log)).toEqual(['2:a=2', '3:x=1'])
  })

  it('leave the records of their batch in place when they go', async () => {
    const { log, clock } = await openCompacted({ deleteRetentionMs: hour, segmentBytes: 120 })
    await write(log, 'a= b=1 c=', 'x=1', 'x=2')
    await log.compact()
    await clock.advance(2 * hour)
    await write(log, 'x=3', 'x=4')
    await log.compact()
    expect((await contents(log)).slice(0, 1)).toEqual(['1:b=1'])
    const [batch] = await batchesOf(log)
    expect(batch).toMatchObject({ baseOffset: 0, lastOffset: 2, recordCount: 1, deleteHorizon: noon + hour })
    expect([...batch.records()][0].timestamp).toBe(noon)
  })
})

describe('an idempotent producer', () => {
  const sent = (sequence: number, text: string) => batchOf(text, { producerId: 7, producerEpoch: 1, baseSequence: sequence })

  it('goes on after its records were compacted away and the log was opened again', async () => {
    const { log, storage } = await openCompacted()
    await log.append(sent(0, 'a=1'))
    await log.append(sent(1, 'a=2 b=2'))
    await write(log, 'a=3 b=3', 'x=1')
    await log.compact()
    expect((await batchesOf(log)).map(({ baseOffset, recordCount }) => [baseOffset, recordCount])).toEqual([
      [1, 0],
      [3, 2],
      [5, 1]
    ])
    await log.close()
    const { log: again } = await openCompacted({ storage })
    expect(await again.append(sent(1, 'a=2 b=2'))).toMatchObject({ baseOffset: 1, lastOffset: 2 })
    await expect((async () => again.append(sent(5, 'a=9')))()).rejects.toMatchObject({ code: 'OUT_OF_ORDER_SEQUENCE_NUMBER' })
    expect(await again.append(sent(3, 'a=4'))).toMatchObject({ baseOffset: 6 })
  })
})

describe('batches without records', () => {
  it('are dropped, but for the last of a round, so that the log can be read to its end', async () => {
    const { log, clock } = await openCompacted({ deleteRetentionMs: hour })
    await write(log, 'a=1', 'a=', 'b=', 'b=', 'x=1')
    await log.compact()
    expect(await contents(log)).toEqual(['1:a=', '3:b=', '4:x=1'])
    await clock.advance(hour)
    await log.compact({ force: true })
    await write(log, 'c=', 'x=2')
    await log.compact()
    expect(await contents(log)).toEqual(['4:x=1', '5:c=', '6:x=2'])
    expect(await log.read(0, 1000)).not.toHaveLength(0)
  })

  it('keep their offsets, sequence numbers and largest timestamp', async () => {
    const { log } = await openCompacted({ cleanupPolicy: 'delete' })
    await write(log, 'a=1')
    await log.append(RecordBatch.of([{ value: 'no key', timestamp: noon + 4 }], { producerId: 7, producerEpoch: 2, baseSequence: 5 }).bytes)
    await write(log, 'x=1')
    await log.compact({ force: true })
    const [, empty] = await batchesOf(log)
    expect(empty).toMatchObject({
      baseOffset: 1,
      lastOffset: 1,
      recordCount: 0,
      sizeInBytes: 61,
      baseTimestamp: -1,
      maxTimestamp: noon + 4
    })
    expect(empty).toMatchObject({ producerId: 7, producerEpoch: 2, baseSequence: 5, lastSequence: 5, leaderEpoch: 0 })
    expect(await contents(log)).toEqual(['0:a=1', '2:x=1'])
    await write(log, 'x=2')
    await log.compact({ force: true })
    expect((await batchesOf(log)).map(({ baseOffset }) => baseOffset)).toEqual([0, 1, 2, 3])
    historyOf(log).producers.clear()
    await write(log, 'x=3')
    await log.compact({ force: true })
    expect((await batchesOf(log)).map(({ baseOffset }) => baseOffset)).toEqual([0, 3, 4])
  })
})
