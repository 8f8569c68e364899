import { describe, expect, it } from 'vitest'
import { deferred } from '../../../src/common/deferred.js'
import { batchesIn } from '../../../src/record/record-batch.js'
import { DelayedStorage } from '../../storage/delayed-storage.js'
import { batch, batchOf, noon, openLog, readValues } from '../helpers.js'

/** A storage whose appends wait until they are let through. */
function gated() {
  const storage = new DelayedStorage()
  const gate = deferred()
  storage.beforeAppend = () => gate.promise
  return { storage, open: () => gate.resolve() }
}

describe('bytes that are appended again while they are still being written', () => {
  it('get an offset for each time, in the order of the calls', async () => {
    const { storage, open } = gated()
    const log = await openLog({ storage })
    const bytes = batch('a')
    const given = bytes.slice()
    const appends = [log.append(batch('first')), log.append(bytes), log.append(bytes), log.append(batch('last')), log.append(bytes)]
    open()
    const infos = await Promise.all(appends)
    expect(infos.map(({ baseOffset }) => baseOffset)).toEqual([0, 1, 2, 3, 4])
    expect(await readValues(log)).toEqual(['0:first', '1:a', '2:a', '3:last', '4:a'])
    expect(bytes).toEqual(given)
  })

  it('get the offsets of each log that they go to', async () => {
    const slow = gated()
    const [one, other] = [await openLog({ storage: slow.storage, messageTimestampType: 'LogAppendTime' }), await openLog()]
    await other.append(batch('x'))
    const bytes = batch('a', 'b')
    const given = bytes.slice()
    const appends = [one.append(bytes), other.append(bytes)]
    slow.open()
    expect((await Promise.all(appends)).map(({ baseOffset }) => baseOffset)).toEqual([0, 1])
    expect(await readValues(one)).toEqual(['0:a', '1:b'])
    expect(await readValues(other)).toEqual(['0:x', '1:a', '2:b'])
    expect(bytes).toEqual(given)
  })

  it('get them also when one of the logs has to begin a segment first', async () => {
    const slow = gated()
    const [one, other] = [
      await openLog({ storage: slow.storage }),
      await openLog({ storage: new DelayedStorage(), segmentBytes: batch('a', 'b').length })
    ]
    await other.append(batch('x'))
    const bytes = batch('a', 'b')
    const appends = [other.append(bytes), one.append(bytes)]
    slow.open()
    expect((await Promise.all(appends)).map(({ baseOffset }) => baseOffset)).toEqual([1, 0])
    expect(await readValues(other)).toEqual(['0:x', '1:a', '2:b'])
    expect(await readValues(one)).toEqual(['0:a', '1:b'])
  })

  it('do not wait for others that lie beside them in the same memory', async () => {
    const slow = gated()
    const [one, other] = [await openLog({ storage: slow.storage }), await openLog()]
    const [a, b] = [batch('a'), batch('b')]
    const both = new Uint8Array(a.length + b.length)
    both.set(a)
    both.set(b, a.length)
    const first = one.append(both.subarray(0, a.length))
    expect(other.append(both.subarray(a.length))).toMatchObject({ baseOffset: 0 })
    slow.open()
    await first
  })
})

describe('bytes that a log has lent', () => {
  it('can be appended to another while the first is read', async () => {
    const [source, slow] = [await openLog(), gated()]
    await source.append(batch('x', 'y'))
    await source.append(batch('a'))
    const target = await openLog({ storage: slow.storage })
    const lent = await source.read(0, 1000)
    const [first] = batchesIn(lent)
    const appending = target.append(first.bytes, { leaderEpoch: 7 })
    expect(await readValues(source)).toEqual(['0:x', '1:y', '2:a'])
    expect([...batchesIn(await source.read(0, 1000))].map(({ leaderEpoch }) => leaderEpoch)).toEqual([0, 0])
    slow.open()
    await appending
    expect(await readValues(target)).toEqual(['0:x', '1:y'])
  })
})

describe('a write that fails', () => {
  it('gives the bytes back as they were, so that they can be appended elsewhere', async () => {
    const storage = new DelayedStorage()
    const log = await openLog({ storage, messageTimestampType: 'LogAppendTime' })
    storage.failure = new Error('no')
    const bytes = batchOf([{ value: 'a', timestamp: noon - 5 }])
    const given = bytes.slice()
    await expect(log.append(bytes)).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
    expect(bytes).toEqual(given)
    const other = await openLog()
    expect(await other.append(bytes)).toMatchObject({ baseOffset: 0 })
  })
})
