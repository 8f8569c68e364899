import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import type { ClusterClient } from '../../src/cluster-client.js'
import { connect } from '../../src/wire/connect.js'
import { type Listener, listen } from '../../src/wire/listener.js'

let cluster: Cluster
let listener: Listener
let remote: ClusterClient
beforeEach(async () => {
  cluster = await Cluster.open({ configs: { 'auto.create.topics.enable': false } })
  await cluster.admin().createTopic({ name: 'orders', partitions: 3 })
  listener = await listen(cluster)
  remote = await connect({ brokers: [listener.address] })
})
afterEach(async () => {
  await remote.close()
  await listener.close()
  await cluster.close()
})

const refusal = {
  code: 'UNKNOWN_TOPIC_OR_PARTITION',
  message: '`orders` has no partition 2 any more: it was created anew with 1',
  topic: 'orders',
  partition: 2
}

describe.each(['in process', 'over the wire'])('%s, a topic that is created anew with fewer partitions', where => {
  const at = () => (where === 'in process' ? cluster : remote)
  const admin = () => cluster.admin()

  it('refuses batches for a partition that it does not have at once, not when their time is over', async () => {
    await using producer = at().producer({ retryBackoffMs: 5 })
    await producer.send('orders', { value: 'a', partition: 2 })
    await admin().deleteTopics(['orders'])
    const sends = ['b', 'c'].map(value => producer.send('orders', { value, partition: 2 }).catch((error: unknown) => error))
    const other = producer.send('orders', { value: 'd', partition: 0 })
    const retried = new Promise<void>(resolve => producer.once('retry', () => resolve()))
    await retried
    await admin().createTopic({ name: 'orders', partitions: 1 })
    expect(await Promise.all(sends)).toMatchObject([refusal, refusal])
    expect(await other).toMatchObject({ partition: 0, offset: 0 })
  })

  it('refuses those as well that were never tried before', async () => {
    await using producer = at().producer({ retryBackoffMs: 5, lingerMs: 60_000 })
    void producer.send('orders', { value: 'first', partition: 0 })
    await producer.flush()
    // The partition is known, and the batch waits for more.
    const sent = producer.send('orders', { value: 'a', partition: 2 }).catch((error: unknown) => error)
    await admin().deleteTopics(['orders'])
    await admin().createTopic({ name: 'orders', partitions: 1 })
    await producer.flush()
    expect(await sent).toMatchObject(refusal)
  })
})
