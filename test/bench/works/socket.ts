import type { Contestant, Goal, Work } from '../contest.js'
import type { Setting } from '../setting.js'

type Client = 'kcat' | 'kafkajs' | 'millraceClients'
type Server = 'millraceOnDisk' | 'millraceInMemory' | 'apacheKafka'

async function run(server: Server, client: Client, setting: Setting) {
  const servers = await import('../peers/kafka-servers.js')
  const clients = await import('../peers/kafka-clients.js')
  const { address, readyMs, peakMiB } = await servers[server](setting)
  const count = setting.count(1_000_000)
  const { producedAcks1, produced, consumed } = await clients[client](address, count, setting)
  return {
    produce: count / produced,
    produceAcks1: count / producedAcks1,
    consume: count / consumed,
    ready: readyMs,
    server: peakMiB()
  }
}

const clients: Readonly<Record<Client, string>> = { kcat: 'librdkafka (kcat)', kafkajs: 'kafkajs', millraceClients: 'millrace’s clients' }
const servers: Readonly<Record<Server, string>> = {
  millraceOnDisk: 'millrace on disk',
  millraceInMemory: 'millrace in memory',
  apacheKafka: 'Apache Kafka'
}
const rowOf = (client: Client, server: Server) => `${clients[client]} → ${servers[server]}`

const contestants = (Object.keys(clients) as Client[]).flatMap(client =>
  (Object.keys(servers) as Server[]).map(
    (server): Contestant => ({
      family: client,
      name: rowOf(client, server),
      role: server === 'apacheKafka' ? 'peer' : 'us',
      effort: client === 'kafkajs' ? 0.3 : 1,
      run: setting => run(server, client, setting)
    })
  )
)

const rates = (['kcat', 'kafkajs'] as const).flatMap(client =>
  (['millraceOnDisk', 'millraceInMemory'] as const).flatMap(server =>
    ['produce', 'produceAcks1', 'consume'].map((metric): Goal => {
      return { row: rowOf(client, server), metric, of: rowOf(client, 'apacheKafka'), atLeast: 1 }
    })
  )
)
const [ours, theirs] = [rowOf('kcat', 'millraceOnDisk'), rowOf('kcat', 'apacheKafka')]

export const socket: Work = {
  name: 'socket',
  title: 'Over the socket',
  about:
    'One producer, with acks=all and then with acks=1, and one consumer, with a million messages of 100 bytes (kafkajs: 300,000) and a topic of one partition, on the same machine. kcat’s figures hold the start of its process. Memory is the most that the server ever had; in memory that holds the messages themselves, 130 MB of them.',
  metrics: [
    { name: 'produce', title: 'produce, acks=all', unit: 'K/s', better: 'more' },
    { name: 'produceAcks1', title: 'produce, acks=1', unit: 'K/s', better: 'more' },
    { name: 'consume', title: 'consume', unit: 'K/s', better: 'more' },
    { name: 'ready', title: 'server ready', unit: 'ms', better: 'less' },
    { name: 'server', title: 'server’s memory', unit: 'MiB', better: 'less' }
  ],
  contestants,
  goals: [...rates, { row: ours, metric: 'ready', of: theirs, atMost: 1 / 50 }, { row: ours, metric: 'server', of: theirs, atMost: 1 / 5 }],
  rounds: 3
}
