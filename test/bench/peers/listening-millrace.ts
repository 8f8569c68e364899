import { Cluster, fileModule, wireModule } from './millrace.js'

const { fileStorage } = await fileModule()
const { listen } = await wireModule()
const cluster = await Cluster.open({ storage: fileStorage(process.argv[2]), configs: { 'num.partitions': 1 } })
const listener = await listen(cluster, { port: 0 })
process.send?.(listener.address)
process.on('disconnect', () => process.exit(0))
