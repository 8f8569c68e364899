import { expect, it } from 'vitest'
import { Cluster } from '../../src/index.js'
import { ApiVersions } from '../../src/protocol/messages/api-versions.js'
import { connect, listen } from '../../src/wire/index.js'
import { RawClient } from './raw-client.js'

it('tells of the APIs that Kafka does not have to clients of this library alone', async () => {
  await using cluster = await Cluster.open()
  await using listener = await listen(cluster)
  using client = await RawClient.connect(listener.port)
  for (const [clientSoftwareName, expected] of [
    ['apache-kafka-java', 0],
    ['librdkafka', 0],
    ['millrace', 3]
  ] as const) {
    client.request(ApiVersions, 3, { clientSoftwareName, clientSoftwareVersion: '1' })
    const { apiKeys } = (await client.response(ApiVersions, 3)).body
    expect(apiKeys.filter(({ apiKey }) => apiKey >= 10_000)).toHaveLength(expected)
  }
  client.request(ApiVersions, 0, {})
  const { apiKeys } = (await client.response(ApiVersions, 0)).body
  expect(apiKeys.every(({ apiKey }) => apiKey < 10_000)).toBe(true)
})

it('names the API that a cluster elsewhere does not have', async () => {
  await using cluster = await Cluster.open()
  await using listener = await listen(cluster, { maxVersions: { ConditionalAppend: -1, ListKeyOffsets: -1, AddConditionsToTxn: -1 } })
  await using remote = await connect({ brokers: [listener.address] })
  await using producer = remote.producer()
  await expect(producer.send('orders', { key: 'a', value: 'x' }, { ifKeyAt: 'none' })).rejects.toMatchObject({
    code: 'UNSUPPORTED_VERSION',
    message: expect.stringContaining('ConditionalAppend')
  })
  await expect(remote.admin().lastOffsets('orders', ['a'])).rejects.toMatchObject({
    code: 'UNSUPPORTED_VERSION',
    message: expect.stringContaining('ListKeyOffsets')
  })
  await using transactional = remote.producer({ transactionalId: 't' })
  const conditional = transactional.transaction(tx => tx.send('orders', { key: 'a', value: 'x' }, { ifKeyAt: 'none' }))
  await expect(conditional).rejects.toMatchObject({ code: 'UNSUPPORTED_VERSION', message: expect.stringContaining('AddConditionsToTxn') })
  // Nothing of it was written, and what needs no condition is.
  expect(await producer.send('orders', { key: 'a', value: 'x' })).toMatchObject({ offset: 0 })
})
