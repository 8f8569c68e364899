/** A node for other processes: writes its port, and lives until its input ends. */
import { Cluster } from '../../src/index.js'
import { listen } from '../../src/wire/index.js'

const cluster = await Cluster.open({ configs: { 'group.min.session.timeout.ms': 100 } })
const listener = await listen(cluster, { port: 0 })
process.stdout.write(`${listener.port}\n`)
process.stdin.resume().on('end', async () => {
  await listener.close()
  await cluster.close()
})
