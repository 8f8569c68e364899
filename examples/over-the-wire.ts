/** The same code over a socket: a cluster in this process listens as Kafka does, and a client connects to it as it would to any Kafka. */
import { Cluster, type Producer, string } from 'millrace'
import { connect, listen } from 'millrace/wire'

// Code for a cluster in this process runs on one elsewhere, unchanged.
const greet = (producer: Producer, name: string) => producer.send('greetings', { key: name, value: `hello ${name}` })

await using local = await Cluster.open()
await using listener = await listen(local) // { port: 9092, host: '0.0.0.0', tls, sasl }: any Kafka client may come in

await using remote = await connect({ brokers: [listener.address] }) // or ['kafka-1:9092', 'kafka-2:9092']
await using near = local.producer()
await using far = remote.producer()
await greet(near, 'ann')
await greet(far, 'bob')

await using consumer = remote.consumer({ groupId: 'readers', topics: ['greetings'], autoOffsetReset: 'earliest', value: string })
let count = 0
for await (const { value } of consumer) {
  console.log(value)
  if (++count === 2) break
}
