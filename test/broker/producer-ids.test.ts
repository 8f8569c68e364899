import { expect, it } from 'vitest'
import { LocalBroker, nodeOf } from '../../src/broker/local-broker.js'
import { seededRandom } from '../../src/common/random.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'

it('no producer gets an id that another one had before a power cut, though nothing else is synced', async () => {
  for (let seed = 1; seed <= 10; seed++) {
    const disk = new SimulatedDisk({ random: seededRandom(seed) })
    const ids: number[] = []
    for (let life = 0; life < 3; life++) {
      const node = await LocalBroker.open({ storage: disk.mount(), clock: new VirtualClock(), random: seededRandom(seed) })
      ids.push(await nodeOf(node).producerIds.next(), await nodeOf(node).producerIds.next())
      disk.crash('power')
    }
    expect(new Set(ids).size, `seed ${seed}: ${ids}`).toBe(ids.length)
  }
})
