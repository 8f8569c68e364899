import { Cluster, json, nullable, string, topic } from 'millrace'
import { fileStorage } from 'millrace/file'
import { InterceptedBroker } from 'millrace/testing'
import { listen } from 'millrace/wire'

const clicks = topic('clicks', { key: string, value: json<{ x: number }>() })
const users = topic('users', { key: string, value: nullable(json<{ name: string }>()) })

export async function use(): Promise<unknown> {
  const cluster = await Cluster.open({ storage: fileStorage('./data') })
  const listener = await listen(cluster, { tls: { key: '', cert: new Uint8Array(0) } })
  const producer = cluster.producer({ compression: 'lz4' })
  await producer.send(users, { key: 'u-42', value: null })
  // @ts-expect-error: this topic has no tombstones
  await producer.send(clicks, { key: 'u-42', value: null })
  // @ts-expect-error: the value has another type
  await producer.send(clicks, { key: 'u-42', value: { y: 1 } })
  const consumer = cluster.consumer({ groupId: 'g', topics: [clicks, users] })
  for await (const record of consumer) {
    // @ts-expect-error: records have no such field
    record.nonsense
    if (record.topic === 'clicks') {
      const x: number = record.value.x
      return [x, listener.port, InterceptedBroker]
    }
    // @ts-expect-error: the value may be null
    record.value.name
    const name: string | undefined = record.value?.name
    return name
  }
  for await (const batch of consumer.batches()) {
    for (const record of batch) {
      // @ts-expect-error: records have no such field
      record.nonsense
    }
  }
  return undefined
}
