/** A cluster in a directory: what was written and how far a group came is there again after the process has ended. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster, json, string, topic } from 'millrace'
import { fileStorage } from 'millrace/file'

const orders = topic('orders', { key: string, value: json<{ total: number }>(), partitions: 1 })
const directory = await mkdtemp(join(tmpdir(), 'orders-'))

// 'always': a record is acknowledged once it is on the disk, and so survives a power cut. The default, 'os', survives the process.
const open = () => Cluster.open({ storage: fileStorage(directory, { durability: 'always' }) })

async function bill(count: number): Promise<void> {
  await using cluster = await open()
  await using consumer = cluster.consumer({ groupId: 'billing', topics: [orders], autoOffsetReset: 'earliest' })
  for await (const { offset, key, value } of consumer) {
    console.log(`offset ${offset}: ${key} pays ${value.total}`)
    if (--count > 0) continue
    await consumer.commit()
    break
  }
}

{
  await using cluster = await open()
  await using producer = cluster.producer()
  await producer.sendBatch(orders, [
    { key: 'ann', value: { total: 40 } },
    { key: 'bob', value: { total: 120 } },
    { key: 'cid', value: { total: 5 } }
  ])
}
await bill(2)
await bill(1) // goes on where the group was
await rm(directory, { recursive: true })
