import { describe, expect, it } from 'vitest'
import { Cluster } from '../../src/cluster.js'
import { DescribeConfigs } from '../../src/protocol/messages/describe-configs.js'
import { listen } from '../../src/wire/index.js'
import { RawClient } from './raw-client.js'

describe('the configs of a broker over the wire', () => {
  it('say where it is listened for, and how clients speak there', async () => {
    await using cluster = await Cluster.open()
    await using plain = await listen(cluster)
    expect(await listenersTold(plain.port)).toEqual([
      ['advertised.listeners', `PLAINTEXT://127.0.0.1:${plain.port}`, 4],
      ['listeners', `PLAINTEXT://127.0.0.1:${plain.port}`, 4]
    ])
  })
})

async function listenersTold(port: number) {
  using client = await RawClient.connect(port)
  const configurationKeys = ['listeners', 'advertised.listeners']
  client.request(DescribeConfigs, 4, { resources: [{ resourceType: 4, resourceName: '0', configurationKeys }] })
  const { body } = await client.response(DescribeConfigs, 4)
  return body.results[0].configs.map(({ name, value, configSource }) => [name, value, configSource])
}
