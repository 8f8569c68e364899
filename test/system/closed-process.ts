/** Opens and uses one of everything, closes it, and says what still keeps the process alive. It must then end by itself. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster } from '../../src/cluster.js'
import { fileStorage } from '../../src/storage/file/file-storage.js'
import { connect } from '../../src/wire/connect.js'
import { listen } from '../../src/wire/listener.js'

const folder = mkdtempSync(join(tmpdir(), 'millrace-closed-'))
const node = await Cluster.open({ storage: fileStorage(folder, { durability: 'interval' }) })
const listener = await listen(node)
const remote = await connect({ brokers: [listener.address] })
for (const cluster of [node, remote]) {
  const producer = cluster.producer({ lingerMs: 5 })
  await producer.send('orders', { value: 'v' })
  const consumer = cluster.consumer({ groupId: 'g', topics: ['orders'], autoOffsetReset: 'earliest' })
  const reading = (async () => {
    for await (const _ of consumer);
  })()
  await consumer.start()
  await cluster.admin().listTopics()
  void reading
}
await remote.close()
await listener.close()
await node.close()
rmSync(folder, { recursive: true })
// The pipe to whoever reads this does not count.
const left = () => process.getActiveResourcesInfo().filter(name => !/^(PipeWrap|TTYWrap|Immediate)$/.test(name))
// A handle that was closed is there for some turns of the event loop more, and what runs this file writes to its cache.
for (let round = 0; round < 200 && left().length > 0; round++) await new Promise(resolve => setTimeout(resolve, 5))
console.log(JSON.stringify(left()))
