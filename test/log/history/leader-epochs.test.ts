import { describe, expect, it } from 'vitest'
import { LeaderEpochs } from '../../../src/log/history/leader-epochs.js'
import { batch, batchOf, codeOf, openLog } from '../helpers.js'

function epochsOf(...entries: [epoch: number, startOffset: number][]): LeaderEpochs {
  const epochs = new LeaderEpochs()
  for (const [epoch, startOffset] of entries) epochs.assign(epoch, startOffset)
  return epochs
}

const listed = (epochs: LeaderEpochs) => epochs.entries.map(({ epoch, startOffset }) => [epoch, startOffset])

describe('leader epochs', () => {
  it('note the first offset of each epoch only', () => {
    expect(listed(epochsOf([0, 0], [0, 10], [2, 20], [2, 30]))).toEqual([
      [0, 0],
      [2, 20]
    ])
  })

  it('drop entries that contradict a new one', () => {
    expect(listed(epochsOf([1, 0], [2, 10], [5, 20], [3, 15]))).toEqual([
      [1, 0],
      [2, 10],
      [3, 15]
    ])
    expect(listed(epochsOf([1, 0], [2, 10], [3, 10]))).toEqual([
      [1, 0],
      [3, 10]
    ])
  })

  it('tell where an epoch ends', () => {
    const epochs = epochsOf([2, 10], [4, 20], [7, 30])
    expect(epochs.endOffsetFor(7, 99)).toEqual({ epoch: 7, endOffset: 99 })
    expect(epochs.endOffsetFor(4, 99)).toEqual({ epoch: 4, endOffset: 30 })
    expect(epochs.endOffsetFor(5, 99)).toEqual({ epoch: 4, endOffset: 30 })
    expect(epochs.endOffsetFor(2, 99)).toEqual({ epoch: 2, endOffset: 20 })
  })

  it('let an epoch older than all known ones end where these start', () => {
    expect(epochsOf([2, 10]).endOffsetFor(1, 99)).toEqual({ epoch: 1, endOffset: 10 })
  })

  it('know nothing of an epoch newer than all, nor of none', () => {
    expect(epochsOf([2, 10]).endOffsetFor(3, 99)).toEqual({ epoch: -1, endOffset: -1 })
    expect(epochsOf([2, 10]).endOffsetFor(-1, 99)).toEqual({ epoch: -1, endOffset: -1 })
    expect(new LeaderEpochs().endOffsetFor(0, 99)).toEqual({ epoch: -1, endOffset: -1 })
  })

  it('tell under which epoch an offset was written', () => {
    const epochs = epochsOf([2, 10], [4, 20])
    expect([9, 10, 19, 20, 99].map(offset => epochs.epochOf(offset))).toEqual([-1, 2, 2, 4, 4])
  })

  it('forget what was cut off at either end', () => {
    const epochs = epochsOf([1, 0], [2, 10], [3, 20])
    epochs.truncateFromEnd(20)
    expect(listed(epochs)).toEqual([
      [1, 0],
      [2, 10]
    ])
    epochs.truncateFromStart(5)
    expect(listed(epochs)).toEqual([
      [1, 5],
      [2, 10]
    ])
    epochs.truncateFromStart(10)
    expect(listed(epochs)).toEqual([[2, 10]])
  })

  it('follow what a log takes in, cuts and deletes', async () => {
    const log = await openLog()
    log.append(batch('a', 'b'), { leaderEpoch: 1 })
    log.append(batch('c'), { leaderEpoch: 3 })
    log.append(batch('d'), { leaderEpoch: 3 })
    expect(listed(log.leaderEpochs)).toEqual([
      [1, 0],
      [3, 2]
    ])
    await log.append(batchOf([{ value: 'e', offset: 4 }], { leaderEpoch: 6, baseOffset: 4 }), { origin: 'replica' })
    expect(log.leaderEpochs.latest).toEqual({ epoch: 6, startOffset: 4 })
    await log.truncateTo(4)
    log.deleteRecordsBefore(1)
    expect(listed(log.leaderEpochs)).toEqual([
      [1, 1],
      [3, 2]
    ])
  })

  it('go on with the latest epoch where an append names none', async () => {
    const log = await openLog()
    log.append(batch('a'))
    log.append(batch('b'), { leaderEpoch: 5 })
    log.append(batch('c'))
    expect(listed(log.leaderEpochs)).toEqual([
      [0, 0],
      [5, 1]
    ])
    expect(log.leaderEpochs.epochOf(2)).toBe(5)
  })

  it('are never erased by an append under an older epoch, which is refused', async () => {
    const log = await openLog()
    log.append(batch('a'), { leaderEpoch: 5 })
    expect(await codeOf(() => log.append(batch('b'), { leaderEpoch: 4 }))).toBe('FENCED_LEADER_EPOCH')
    const copied = batchOf([{ value: 'b', offset: 1 }], { leaderEpoch: 4, baseOffset: 1 })
    expect(await codeOf(() => log.append(copied, { origin: 'replica' }))).toBe('INVALID_RECORD')
    expect(listed(log.leaderEpochs)).toEqual([[5, 0]])
    expect(log.logEndOffset).toBe(1)
  })
})
