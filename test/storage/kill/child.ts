import { Cluster } from '../../../src/cluster.js'
import { randomInteger, seededRandom } from '../../../src/common/random.js'
import { KafkaError } from '../../../src/errors.js'
import { OffsetCommit } from '../../../src/protocol/messages/offset-commit.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { groups, idsPerLife, type Line, producerCount, recordOf, topics } from './work.js'

/* Produces and commits until it is killed; tells on its output what was acknowledged. */

const [directory, durability, lifeText] = process.argv.slice(2) as [string, 'os' | 'interval' | 'always', string]
const life = Number(lifeText)
const random = seededRandom(life + 1)

function tell(...line: Line): void {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

tell('opening')
const storage = fileStorage(directory, { durability, syncIntervalMs: 5, maxOpenFiles: 20 })
const cluster = await Cluster.open({ storage, configs: { 'auto.create.topics.enable': false, 'offsets.topic.num.partitions': 2 } })
tell('ready')
const admin = cluster.admin()
for (const { name, partitions, configs } of topics) {
  if (!cluster.topics.has(name)) await admin.createTopic({ name, partitions, configs })
  tell('topic', name, cluster.topic(name).id)
}
await Promise.all([...Array.from({ length: producerCount }, (_, index) => produce(index)), ...groups.map(commit), keepHouse()])

async function produce(index: number): Promise<never> {
  const producer = cluster.producer({ compression: index === 1 ? 'lz4' : index === 2 ? 'gzip' : 'none', acks: index === 3 ? 1 : 'all' })
  let next = life * idsPerLife + index
  for (;;) {
    const sends: Promise<void>[] = []
    for (let i = randomInteger(random, 20); i >= 0; i--) {
      const { id, topic, partition, key, value } = recordOf(next)
      next += producerCount
      const sent = producer.send(topic, { partition, key, value, headers: { id: String(id) } })
      sends.push(sent.then(({ offset }) => tell('sent', id, offset)))
    }
    await Promise.all(sends)
    // Memory answers at once: without a turn of the loop here nothing else would get its turn.
    await new Promise(setImmediate)
  }
}

async function commit(groupId: string): Promise<never> {
  const client = (cluster.node as NonNullable<Cluster['node']>).connect({ clientId: 'child' })
  for (let round = 1; ; round++) {
    const topic = topics[randomInteger(random, topics.length)]
    const partitionIndex = randomInteger(random, topic.partitions)
    const committedOffset = life * 1_000_000 + round
    const wanted = [{ name: topic.name, partitions: [{ partitionIndex, committedOffset, committedMetadata: null }] }]
    const { topics: answers } = await client.request(OffsetCommit, { groupId, memberId: '', topics: wanted })
    const { errorCode } = answers[0].partitions[0]
    if (errorCode !== 0) throw KafkaError.fromNumber(errorCode)
    tell('committed', groupId, topic.name, partitionIndex, committedOffset)
    await new Promise(setImmediate)
  }
}

async function keepHouse(): Promise<never> {
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, randomInteger(random, 40)))
    await cluster.housekeeping()
  }
}
