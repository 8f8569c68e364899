import { expect, it } from 'vitest'
import { CoordinatorCache } from '../../src/client/coordinator-cache.js'
import { MetadataCache } from '../../src/client/metadata-cache.js'
import { deferred } from '../../src/common/deferred.js'
import { seededRandom } from '../../src/common/random.js'
import type { Broker, Brokers } from '../../src/protocol/broker.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

/**
 * A client whose questions are answered when the test says so, and the addresses that it has learnt
 * of node 1.
 */
function client() {
  const answers: { api: string; come: (port: number) => void }[] = []
  const learnt: number[] = []
  const broker = {
    request: (api: { name: string }) => {
      const answer = deferred<unknown>()
      const come = (port: number) => {
        const node = { nodeId: 1, host: 'h', port }
        answer.resolve(api.name === 'Metadata' ? { brokers: [node], topics: [] } : { coordinators: [{ key: 'g', errorCode: 0, ...node }] })
      }
      answers.push({ api: api.name, come })
      return answer.promise
    }
  } as unknown as Broker
  const brokers: Brokers = { any: () => broker, byId: () => broker, learn: given => void learnt.push(...given.map(({ port }) => port)) }
  const metadata = new MetadataCache(brokers, { clock: new VirtualClock(), random: seededRandom(1) })
  const coordinators = new CoordinatorCache(brokers)
  return { answers, learnt, ask: { Metadata: () => metadata.all(), FindCoordinator: () => coordinators.ofGroup('g') } }
}

it.each([
  ['Metadata', 'FindCoordinator'],
  ['FindCoordinator', 'Metadata'],
  ['FindCoordinator', 'FindCoordinator']
] as const)('an answer to %s that comes late does not lead back from the address that one to %s has told', async (first, second) => {
  const { answers, learnt, ask } = client()
  const asked = [ask[first](), ask[second]()]
  answers[1].come(2)
  await asked[1]
  answers[0].come(1)
  await asked[0]
  expect(learnt).toEqual([2])
  const again = ask.Metadata()
  answers[2].come(3)
  await again
  expect(learnt).toEqual([2, 3])
})
