import { describe, expect, it } from 'vitest'
import { historyOf, type Log } from '../../../src/log/log.js'
import { transactionMarkerBatch } from '../../../src/record/control-record.js'
import { noon } from '../helpers.js'
import { batchesOf, batchOf, contents, hour, openCompacted, write } from './helpers.js'

async function writeIn(log: Log, producerId: number, ...batches: string[]): Promise<void> {
  for (const text of batches) {
    await log.append(batchOf(text, { producerId, producerEpoch: 0, baseSequence: 0, transactional: true }), { origin: 'coordinator' })
  }
}

async function mark(log: Log, type: 'COMMIT' | 'ABORT', producerId: number): Promise<void> {
  const marker = { type, producerId, producerEpoch: 0, coordinatorEpoch: 0, timestamp: noon }
  await log.append(transactionMarkerBatch(marker), { origin: 'coordinator' })
}

/** As after a day in which they wrote nothing. */
function forgetProducers(log: Log): void {
  historyOf(log).producers.clear()
}

/** `offset` of each batch, with `!` for a marker, and whether it waits to be deleted. */
async function shape(log: Log): Promise<string[]> {
  return (await batchesOf(log)).map(
    ({ baseOffset, isControl, recordCount, deleteHorizon }) =>
      `${baseOffset}${isControl ? '!' : ''}${recordCount === 0 ? ' empty' : ''}${deleteHorizon === undefined ? '' : ` until ${(deleteHorizon - noon) / hour} h`}`
  )
}

describe('compaction of transactions', () => {
  it('drops what was aborted, and lets it replace nothing', async () => {
    const { log } = await openCompacted()
    await write(log, 'a=1')
    await writeIn(log, 5, 'a=2', 'b=2')
    await mark(log, 'ABORT', 5)
    await writeIn(log, 5, 'c=1')
    await mark(log, 'COMMIT', 5)
    await write(log, 'x=1')
    await log.compact()
    expect(await contents(log)).toEqual(['0:a=1', '4:c=1', '6:x=1'])
  })

  it('forgets what is gone, so that its producer is not passed over for good', async () => {
    const { log } = await openCompacted()
    await writeIn(log, 5, 'a=1')
    await mark(log, 'ABORT', 5)
    await write(log, 'x=1', 'x=2')
    await writeIn(log, 5, 'b=1')
    await mark(log, 'ABORT', 5)
    await write(log, 'y=1')
    expect(await log.abortedTransactions(0, await log.read(0, 1000))).toMatchObject([{ lastOffset: 1 }])
    await log.compact()
    expect(await log.abortedTransactions(0, await log.read(0, 1000))).toEqual([])
  })

  it('does not take for aborted what a producer writes after an abort that was compacted before', async () => {
    const { log } = await openCompacted()
    await writeIn(log, 5, 'a=1')
    await mark(log, 'ABORT', 5)
    await write(log, 'x=1')
    await log.compact()
    expect(await shape(log)).toContain('0 empty')
    for (const text of ['k=1', 'k=2']) {
      await writeIn(log, 5, text)
      await mark(log, 'COMMIT', 5)
    }
    await write(log, 'y=1')
    await log.compact()
    expect(await contents(log)).toEqual(['2:x=1', '5:k=2', '7:y=1'])
  })

  it('tells the transactions of several producers apart', async () => {
    const { log } = await openCompacted()
    await write(log, 'a=0 b=0'.split(' ')[0], 'b=0')
    await writeIn(log, 5, 'a=5')
    await writeIn(log, 6, 'a=6', 'b=6')
    await mark(log, 'COMMIT', 5)
    await writeIn(log, 6, 'a=6')
    await mark(log, 'ABORT', 6)
    await write(log, 'x=1')
    await log.compact()
    expect(await contents(log)).toEqual(['1:b=0', '2:a=5', '8:x=1'])
  })

  it('knows of an abort whose marker lies beyond the end of the round', async () => {
    const { log } = await openCompacted()
    await write(log, 'a=1')
    await writeIn(log, 5, 'a=2')
    await write(log, 'x=1')
    await mark(log, 'ABORT', 5)
    forgetProducers(log)
    await log.compact()
    expect(await contents(log)).toEqual(['0:a=1', '2:x=1'])
    expect(await shape(log)).toEqual(['0', '2', '3!'])
  })

  it('keeps markers as long as anything of their transaction is left', async () => {
    const { log, clock } = await openCompacted({ deleteRetentionMs: hour })
    await writeIn(log, 5, 'a=1')
    await mark(log, 'COMMIT', 5)
    await write(log, 'x=1')
    for (let round = 0; round < 3; round++) {
      await log.compact({ force: true })
      await clock.advance(2 * hour)
      await write(log, `y=${round}`, `z=${round}`)
    }
    expect((await shape(log)).slice(0, 2)).toEqual(['0', '1!'])
  })

  it('lets a marker go some time after the last of its transaction', async () => {
    const { log, clock } = await openCompacted({ deleteRetentionMs: hour })
    await writeIn(log, 5, 'a=1')
    await mark(log, 'COMMIT', 5)
    await write(log, 'a=2', 'x=1')
    forgetProducers(log)
    await log.compact()
    expect(await shape(log)).toEqual(['1!', '2', '3'])
    await write(log, 'x=2')
    await log.compact()
    expect(await shape(log)).toEqual(['1! until 1 h', '2', '3', '4'])
    await clock.advance(hour - 1)
    await write(log, 'x=3')
    await log.compact()
    expect((await shape(log))[0]).toBe('1! until 1 h')
    await clock.advance(1)
    await write(log, 'x=4')
    await log.compact()
    expect((await shape(log))[0]).toBe('2')
  })

  it('keeps the marker of an abort for the round that drops its data', async () => {
    const { log, clock } = await openCompacted({ deleteRetentionMs: hour })
    await writeIn(log, 5, 'a=1')
    await mark(log, 'ABORT', 5)
    await write(log, 'x=1')
    forgetProducers(log)
    await log.compact()
    expect(await shape(log)).toEqual(['1!', '2'])
    await write(log, 'x=2')
    await log.compact()
    expect(await shape(log)).toEqual(['1! until 1 h', '2', '3'])
    await clock.advance(hour)
    await write(log, 'x=3')
    await log.compact()
    expect(await shape(log)).toEqual(['3', '4'])
  })

  it('keeps the last batch of a producer that is still known, empty if need be, and then its marker', async () => {
    const { log, clock } = await openCompacted({ deleteRetentionMs: hour })
    await writeIn(log, 5, 'a=1', 'a=2')
    await mark(log, 'ABORT', 5)
    await write(log, 'x=1', 'x=2')
    for (let round = 0; round < 3; round++) {
      await log.compact({ force: true })
      expect((await shape(log)).slice(0, 2)).toEqual(['1 empty', '2!'])
      await clock.advance(2 * hour)
      await write(log, `y=${round}`)
    }
    forgetProducers(log)
    await log.compact({ force: true })
    expect((await shape(log)).slice(0, 1)).toEqual(['2!'])
    await write(log, 'z=1')
    await log.compact({ force: true })
    await clock.advance(hour)
    await write(log, 'z=2')
    await log.compact({ force: true })
    expect((await shape(log)).filter(batch => batch.includes('!'))).toEqual([])
  })

  it('keeps the marker by which alone a producer is known, for its epoch', async () => {
    const { log, clock } = await openCompacted({ deleteRetentionMs: 0 })
    await mark(log, 'ABORT', 5)
    await write(log, 'x=1')
    for (let round = 0; round < 3; round++) {
      await write(log, `y=${round}`)
      await log.compact({ force: true })
      await clock.advance(hour)
    }
    expect((await shape(log)).slice(0, 2)).toEqual(['0! empty', '1'])
  })

  it('leaves the markers of a cluster alone', async () => {
    const { log } = await openCompacted({ deleteRetentionMs: 0 })
    const leaderChange = batchOf('\0\0\0\x02=x', { control: true })
    await log.append(leaderChange, { origin: 'coordinator' })
    await write(log, 'x=1', 'x=2')
    await log.compact()
    await log.compact({ force: true })
    expect(await shape(log)).toEqual(['0!', '1', '2'])
  })
})
