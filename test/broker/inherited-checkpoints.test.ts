import { expect, it } from 'vitest'
import { LocalBroker } from '../../src/broker/local-broker.js'
import { seededRandom } from '../../src/common/random.js'
import type { Broker } from '../../src/protocol/broker.js'
import { DeleteTopics } from '../../src/protocol/messages/delete-topics.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { batch, createTopic, fetch, produce } from './helpers.js'

async function open(disk: SimulatedDisk) {
  const node = await LocalBroker.open({ storage: disk.mount({ syncEachAppend: true }), clock: new VirtualClock(), random: seededRandom(1) })
  const stopped: string[] = []
  node.events.on('partitionStopped', ({ topic, error }) => void stopped.push(`${topic}: ${error.message}`))
  return { node, stopped, client: node.connect({ clientId: 'test' }) }
}

const deleteOrders = (client: Broker) => client.request(DeleteTopics, { topics: [{ name: 'orders' }], timeoutMs: 1000 })

/** A disk whose checkpoints say that `orders-0` has five records, of which two are deleted. */
async function withFive() {
  const disk = new SimulatedDisk({ random: seededRandom(1) })
  const opened = await open(disk)
  await createTopic(opened.client, 'orders')
  expect(await produce(opened.client, 'orders', 0, batch('a', 'b', 'c', 'd', 'e'))).toMatchObject({ error: 'NONE' })
  await opened.node.housekeeping()
  return { disk, ...opened }
}

it('a topic is not created anew while checkpoints still speak of the deleted one', async () => {
  const { disk, client } = await withFive()
  const fault = { operation: 'rename', name: /^recovery-point/ } as const
  disk.fail(fault)
  await expect(deleteOrders(client)).rejects.toThrow('recovery-point-offset-checkpoint')
  disk.fail(fault)
  await expect(createTopic(client, 'orders')).rejects.toMatchObject({ code: 'KAFKA_STORAGE_ERROR' })
  await createTopic(client, 'orders')
  expect(await produce(client, 'orders', 0, batch('new'))).toMatchObject({ error: 'NONE', baseOffset: 0 })
  disk.crash('power')
  const again = await open(disk)
  expect(again.stopped).toEqual([])
  expect(await fetch(again.client, 'orders', [0])).toMatchObject([{ error: 'NONE', values: ['new'] }])
  await again.node.close()
})

for (const operation of ['open', 'append', 'sync'] as const) {
  it(`a log that could not be begun is found empty, not damaged, where its name had records before: ${operation}`, async () => {
    const { disk, node } = await withFive()
    await node.close()
    const { client } = await open(disk)
    await deleteOrders(client)
    disk.fail({ operation, name: /orders-0.partition.metadata/, code: 'ENOSPC' })
    await createTopic(client, 'orders')
    expect(await produce(client, 'orders', 0, batch('new'))).toMatchObject({ error: 'KAFKA_STORAGE_ERROR' })
    disk.crash('process')
    disk.mend()
    const again = await open(disk)
    expect(again.stopped).toEqual([])
    expect(await produce(again.client, 'orders', 0, batch('new'))).toMatchObject({ error: 'NONE', baseOffset: 0 })
    await again.node.close()
  })
}
