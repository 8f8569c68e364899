import { expect, it } from 'vitest'
import { CoordinatorCache } from '../../src/client/coordinator-cache.js'
import type { Broker, Brokers } from '../../src/protocol/broker.js'

/** A cache whose questions are answered when a test says so, with the number of a node. */
function answeringCache() {
  const open: ((nodeId: number) => void)[] = []
  const nodes = [0, 1, 2].map(id => ({ id }) as unknown as Broker)
  const any = {
    request: () =>
      new Promise(resolve => open.push(nodeId => resolve({ coordinators: [{ key: 'g', errorCode: 0, nodeId, host: 'h', port: 1 }] })))
  } as unknown as Broker
  const brokers: Brokers = { any: () => any, byId: id => nodes[id] }
  return { cache: new CoordinatorCache(brokers), open, nodes }
}

it('a coordinator that was asked for earlier does not replace one that was found later', async () => {
  const { cache, open, nodes } = answeringCache()
  const first = cache.ofGroup('g')
  const second = cache.ofGroup('g')
  open[1](2)
  expect(await second).toBe(nodes[2])
  open[0](1)
  await first
  expect(await cache.ofGroup('g')).toBe(nodes[2])
})

it('a coordinator that was asked for before the last one proved wrong is not kept', async () => {
  const { cache, open, nodes } = answeringCache()
  const first = cache.ofGroup('g')
  const second = cache.ofGroup('g')
  open[0](1)
  expect(await first).toBe(nodes[1])
  cache.forget('g')
  open[1](1)
  await second
  const third = cache.ofGroup('g')
  expect(open, 'it is asked for again').toHaveLength(3)
  open[2](2)
  expect(await third).toBe(nodes[2])
  expect(await cache.ofGroup('g')).toBe(nodes[2])
})
