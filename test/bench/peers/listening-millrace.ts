import { Cluster, fileModule, wireModule } from './millrace.js'

/** A millrace that listens: with its log in the folder that is named, or else in memory, where it then keeps everything, as the disk does. */
const [folder] = process.argv.slice(2)
const { listen } = await wireModule()
const cluster = await Cluster.open(
  folder
    ? { storage: (await fileModule()).fileStorage(folder), configs: { 'num.partitions': 1 } }
    : { configs: { 'num.partitions': 1, 'log.retention.bytes': -1 } }
)
const listener = await listen(cluster, { port: 0 })
process.send?.(listener.address)
process.on('disconnect', () => process.exit(0))
