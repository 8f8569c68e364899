import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { keyPartition } from '../../src/client/key-partition.js'
import { textBytes } from '../../src/common/bytes.js'
import { seededRandom } from '../../src/common/random.js'
import { type PartitionLoad, StickyPartitioner } from '../../src/producer/partitioner.js'

describe('the partition of a key', () => {
  it.each([
    ['21', 7, 3],
    ['foobar', 1000, (-790332482 & 0x7fffffff) % 1000],
    ['a-little-bit-long-string', 1000, (-985981536 & 0x7fffffff) % 1000],
    ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', 1000, (-58897971 & 0x7fffffff) % 1000],
    ['abc', 1000, 479470107 % 1000],
    ['', 1000, 0x106e08d9 % 1000]
  ])('of %j among %i is what Kafka’s own producer chooses: %i', (key, count, expected) => {
    expect(keyPartition(key, count)).toBe(expected)
    expect(keyPartition(textBytes(key), count)).toBe(expected)
  })

  it('masks the sign of the hash, rather than taking its absolute value', () => {
    expect(keyPartition('21', 7)).toBe(3)
    expect(Math.abs(-973932308) % 7).toBe(6)
  })

  it('is the same for text and for its bytes', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'binary' }),
        fc.integer({ min: 1, max: 50 }),
        (key, count) => keyPartition(key, count) === keyPartition(textBytes(key), count)
      )
    )
  })
})

describe('the sticky partitioner', () => {
  const idle = (partitionCount: number): PartitionLoad => ({ partitionCount, isAvailable: () => true, queueLength: () => 0 })
  const atBatchEnd = () => true
  const inBatch = () => false

  it('stays with a partition until enough bytes went there and a batch ends', () => {
    const sticky = new StickyPartitioner(seededRandom(3), 100)
    const load = idle(50)
    const first = sticky.partitionFor(load, atBatchEnd)
    sticky.appended(99)
    expect(sticky.partitionFor(load, atBatchEnd)).toBe(first)
    sticky.appended(1)
    expect(sticky.partitionFor(load, inBatch)).toBe(first)
    expect(sticky.partitionFor(load, atBatchEnd)).not.toBe(first)
  })

  it('moves on after twice as many bytes even in the middle of a batch', () => {
    const sticky = new StickyPartitioner(seededRandom(3), 100)
    const first = sticky.partitionFor(idle(50), inBatch)
    sticky.appended(199)
    expect(sticky.partitionFor(idle(50), inBatch)).toBe(first)
    sticky.appended(1)
    expect(sticky.partitionFor(idle(50), inBatch)).not.toBe(first)
  })

  it('spreads evenly over idle partitions', () => {
    const counts = spread(idle(6), 60_000)
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500)
  })

  it('leaves out partitions without a leader, unless none has one', () => {
    const counts = spread({ ...idle(4), isAvailable: partition => partition !== 2 }, 1000)
    expect(counts[2]).toBe(0)
    expect(counts.filter(count => count > 200)).toHaveLength(3)
    expect(spread({ ...idle(4), isAvailable: () => false }, 1000).every(count => count > 100)).toBe(true)
  })

  it('prefers partitions with shorter queues, in proportion', () => {
    const lengths = [0, 3, 1]
    const counts = spread({ ...idle(3), queueLength: partition => lengths[partition] }, 80_000)
    expect(counts.map(count => Math.round(count / 10_000))).toEqual([4, 1, 3])
  })

  it('chooses anew when its partition is gone', () => {
    const sticky = new StickyPartitioner(seededRandom(1), 100)
    while (sticky.partitionFor(idle(10), atBatchEnd) < 2) sticky.appended(100)
    expect(sticky.partitionFor(idle(2), inBatch)).toBeLessThan(2)
  })

  function spread(load: PartitionLoad, rounds: number): number[] {
    const sticky = new StickyPartitioner(seededRandom(5), 1)
    const counts = new Array<number>(load.partitionCount).fill(0)
    for (let i = 0; i < rounds; i++) {
      counts[sticky.partitionFor(load, atBatchEnd)]++
      sticky.appended(1)
    }
    return counts
  }
})
