import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Cluster } from '../../../../src/cluster.js'
import { seededRandom } from '../../../../src/common/random.js'
import { ApiVersions } from '../../../../src/protocol/messages/api-versions.js'
import { CreateTopics } from '../../../../src/protocol/messages/create-topics.js'
import { OffsetCommit } from '../../../../src/protocol/messages/offset-commit.js'
import { RecordBatch } from '../../../../src/record/record-batch.js'
import { fileStorage } from '../../../../src/storage/file/file-storage.js'
import { listen } from '../../../../src/wire/listener.js'
import { startKafkaBroker } from '../apache-kafka.js'
import { differences } from './comparison.js'
import { drawQuestion, type Question } from './questions.js'
import { Side, wait } from './side.js'

/** A question whose answers differ. */
export interface Difference {
  readonly number: number
  readonly question: Question
  readonly differing: readonly string[]
}

export interface Found {
  /** How many questions were answered, by API, and how many of them without an error of the connection. */
  readonly asked: ReadonlyMap<string, number>
  readonly differences: readonly Difference[]
}

/** A Kafka and a listener of ours that hold the same. */
export async function withBoth<T>(work: (sides: readonly [kafka: Side, ours: Side]) => Promise<T>): Promise<T> {
  const home = await mkdtemp(join(tmpdir(), 'millrace-'))
  const same = {
    'auto.create.topics.enable': 'false',
    'offsets.topic.num.partitions': '1',
    'log.retention.check.interval.ms': '86400000',
    'log.cleaner.backoff.ms': '86400000'
  }
  const kafka = await startKafkaBroker(
    {
      ...same,
      'log.initial.task.delay.ms': '86400000',
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      'super.users': 'User:ANONYMOUS'
    },
    undefined,
    ['--feature', 'eligible.leader.replicas.version=0']
  )
  const cluster = await Cluster.open({ nodeId: 1, storage: fileStorage(join(home, 'data')), configs: same })
  const listener = await listen(cluster, { superUsers: ['ANONYMOUS'] })
  using theirs = new Side(kafka.address)
  using ours = new Side(listener.address)
  try {
    return await work([theirs, ours])
  } finally {
    await listener.close()
    await cluster.close()
    await kafka[Symbol.asyncDispose]()
    await rm(home, { recursive: true, force: true })
  }
}

/** Asks both so many questions, and says where their answers differ. */
export async function compare(sides: readonly [Side, Side], seed: number, count: number, report = (_: Difference) => {}): Promise<Found> {
  const random = seededRandom(seed)
  const { apiKeys } = await sides[0].request(ApiVersions, 3, { clientSoftwareName: 'raw', clientSoftwareVersion: '1' })
  const versions = new Map(apiKeys.map(({ apiKey, minVersion, maxVersion }) => [apiKey, { min: minVersion, max: maxVersion }]))
  const asked = new Map<string, number>()
  const found: Difference[] = []
  await both(sides, side => side.ready())
  await restore(sides)
  for (let number = 0; number < count; number++) {
    if (number % 50 === 49) await restore(sides)
    const question = drawQuestion(random, versions)
    asked.set(question.api.name, (asked.get(question.api.name) ?? 0) + 1)
    const differing = await differ(sides, question)
    if (differing.length === 0) continue
    const difference = { number, question, differing }
    found.push(difference)
    report(difference)
  }
  return { asked, differences: found }
}

const changesTopics = /^(CreateTopics|CreatePartitions|DeleteTopics|DeleteRecords|AlterConfigs|IncrementalAlterConfigs|AlterPartition)/

async function differ(sides: readonly [Side, Side], question: Question): Promise<string[]> {
  const { name } = question.api
  let differing = differences(name, await both(sides, side => side.ask(question)), sides)
  if (changesTopics.test(name) && !question.body.validateOnly) await settle(sides)
  // A group that is gone would come back by a commit that stores nothing, but with Kafka alone.
  if (name === 'DeleteGroups') await both(sides, commitAll)
  // What Kafka's controller decided is with its broker a little later.
  for (let i = 0; i < 6 && differing.length > 0 && /^(Metadata|Describe|List|Fetch|OffsetF|OffsetForLeaderEpoch)/.test(name); i++) {
    await wait(30 * i)
    differing = differences(name, await both(sides, side => side.ask(question)), sides)
  }
  return differing
}

async function both<T>([kafka, ours]: readonly [Side, Side], work: (side: Side) => Promise<T>): Promise<[T, T]> {
  return Promise.all([work(kafka), work(ours)])
}

/** Waits until both hold the same topics. */
async function settle(sides: readonly [Side, Side]): Promise<void> {
  for (let i = 0; i < 30; i++) {
    const [theirs, ours] = await both(sides, side => side.state())
    if (theirs === ours) return
    await wait(10)
  }
}

const written = Date.UTC(2024, 0, 1)

function batch(...values: string[]): Uint8Array {
  return RecordBatch.of(values.map((value, i) => ({ key: `k${i}`, value, timestamp: written + i }))).bytes
}

/** The groups that have committed. */
const committed = ['readers', 'writers', '']

/** Brings topics, records, groups and members to where the questions expect them, if they are not there any more. */
async function restore(sides: readonly [Side, Side]): Promise<void> {
  const before = await both(sides, side => side.state())
  await both(sides, side =>
    side.request(CreateTopics, 7, {
      topics: [topic('orders', 3), topic('users', 1, 'compact'), topic('empty', 2), topic('v1', 1)],
      timeoutMs: 10_000,
      validateOnly: false
    })
  )
  await settle(sides)
  await both(sides, async side => {
    if (!before.every(state => /^orders 0=[1-9]/m.test(state))) {
      for (const values of [['a', 'b', 'c'], ['d'], ['e', 'f', 'g', 'h']]) await side.produce('orders', 0, batch(...values))
      await side.produce('orders', 1, batch('a', 'b'))
      await side.produce('users', 0, batch('ann', 'bob'))
    }
    await commitAll(side)
    await side.join('live')
    await side.join('fixed')
  })
  await settle(sides)
}

async function commitAll(side: Side): Promise<void> {
  for (const groupId of committed) await side.request(OffsetCommit, 8, commit(groupId) as never)
}

function topic(name: string, numPartitions: number, cleanupPolicy = 'delete') {
  return { name, numPartitions, replicationFactor: 1, assignments: [], configs: [{ name: 'cleanup.policy', value: cleanupPolicy }] }
}

function commit(groupId: string) {
  const partitions = [0, 1].map(partitionIndex => {
    return { partitionIndex, committedOffset: partitionIndex + 1, committedLeaderEpoch: 0, committedMetadata: 'm' }
  })
  const topics = [
    { name: 'orders', partitions },
    { name: 'users', partitions: partitions.slice(0, 1) }
  ]
  return { groupId, generationIdOrMemberEpoch: -1, memberId: '', groupInstanceId: null, topics }
}
