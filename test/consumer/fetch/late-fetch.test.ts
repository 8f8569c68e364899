import { expect, it } from 'vitest'
import { AssignedPartition } from '../../../src/consumer/assigned-partition.js'
import { bytes } from '../../../src/record/serde.js'

it('a fetch that a partition was taken out of by a jump brings it nothing, although another is under way to another node', () => {
  const partition = new AssignedPartition('orders', 0, { key: bytes, value: bytes })
  partition.jumpTo(5)
  partition.startFetch(1, -1, 1000)
  expect(partition.isFetchedBy(1)).toBe(true)
  partition.jumpTo(0)
  expect(partition.isBeingFetched).toBe(false)
  expect(partition.startFetch(2, -1, 1000)).toMatchObject({ fetchOffset: 0 })
  expect(partition.isFetchedBy(1)).toBe(false)
  partition.endFetch(1)
  expect(partition.isFetchedBy(2)).toBe(true)
  partition.endFetch(2)
  expect(partition.isBeingFetched).toBe(false)
})
