import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { Cluster } from '../../../src/cluster.js'
import { numbered, openCluster, send, settle, textConsumer, until } from '../helpers.js'

let cluster: Cluster
beforeEach(async () => {
  cluster = await openCluster()
})
afterEach(() => cluster.close())

const first = { topic: 'orders', partition: 0 }
const groupOptions = { groupId: 'g', topics: ['orders'] }

describe('seek', () => {
  it.each(['key', 'partition'] as const)('does not let the commit pass records that are handed out again: by %s', async orderBy => {
    await send(cluster, 'orders', numbered('v', 10), 0)
    await using consumer = textConsumer(cluster, groupOptions)
    const finish: (() => void)[] = []
    const passes: number[] = []
    let hasJumped = false
    const running = consumer.run({
      orderBy,
      concurrency: 2,
      eachRecord: ({ offset }) => {
        passes[offset] = (passes[offset] ?? 0) + 1
        // In hand when the seek comes; in the second pass record 0 is not handled either.
        if (offset === 0 || (offset === 1 && !hasJumped)) return new Promise<void>(resolve => finish.push(resolve))
      }
    })
    await until(() => passes[0] === 1)
    await settle()
    hasJumped = true
    consumer.seek({ ...first, offset: 0 })
    for (const resolve of finish.splice(0)) resolve()
    await until(() => passes[0] === 2)
    await settle()
    await consumer.commit()
    expect((await consumer.committed([first])).map(({ offset }) => offset)).toEqual([0])
    for (const resolve of finish) resolve()
    await until(() => passes[9] > 0)
    await settle()
    await consumer.commit()
    expect((await consumer.committed([first])).map(({ offset }) => offset)).toEqual([10])
    await consumer.close()
    await running
  })
})
