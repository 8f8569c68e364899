import type { Contestant, Work } from '../contest.js'
import type { Setting } from '../setting.js'

type Client = 'kcat' | 'kafkajs' | 'millraceClients'

async function run(server: 'listeningMillrace' | 'apacheKafka', client: Client, setting: Setting) {
  const servers = await import('../peers/kafka-servers.js')
  const clients = await import('../peers/kafka-clients.js')
  const address = await servers[server](setting)
  const count = setting.count(1_000_000)
  const { produced, consumed } = await clients[client](address, count, setting)
  return { produce: count / produced, consume: count / consumed }
}

const names: Readonly<Record<Client, string>> = { kcat: 'librdkafka (kcat)', kafkajs: 'kafkajs', millraceClients: 'millrace’s clients' }

const contestants = (Object.keys(names) as Client[]).flatMap((client): Contestant[] => [
  {
    family: client,
    name: `${names[client]} → millrace`,
    role: 'us',
    effort: client === 'kcat' ? 1 : 0.3,
    run: setting => run('listeningMillrace', client, setting)
  },
  {
    family: client,
    name: `${names[client]} → Apache Kafka`,
    role: 'peer',
    effort: client === 'kcat' ? 1 : 0.3,
    run: setting => run('apacheKafka', client, setting)
  }
])

export const socket: Work = {
  name: 'socket',
  title: 'Over the socket',
  about:
    'One producer, then one consumer, with messages of 100 bytes and a topic of one partition, on the same machine; both servers keep their logs on disk. kcat’s figures hold the start of its process.',
  metrics: [
    { name: 'produce', title: 'produce', unit: 'K/s', better: 'more' },
    { name: 'consume', title: 'consume', unit: 'K/s', better: 'more' }
  ],
  contestants
}
