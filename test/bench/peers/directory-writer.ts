/** A process that writes so many bytes to a directory, `[folder, size, segmentBytes, end]`, tells how many they are, and closes it or is killed. */
import { messagesOf } from '../messages.js'
import { Cluster, fileModule } from './millrace.js'

const [folder, size, segmentBytes, end] = process.argv.slice(2)
const { fileStorage } = await fileModule()
const cluster = await Cluster.open({ storage: fileStorage(folder) })
const configs = { 'retention.bytes': -1, 'segment.bytes': Number(segmentBytes) }
await cluster.admin().createTopics([{ name: 'log', partitions: 4, configs }])
const producer = cluster.producer()
const messages = messagesOf(1000)
const written = () => cluster.topic('log').partitions.reduce((sum, { log }) => sum + log.sizeInBytes, 0)
while (written() < Number(size)) await producer.sendBatch('log', messages)
console.log(written())
if (end === 'killed') process.kill(process.pid, 'SIGKILL')
await cluster.close()
process.exit(0)
