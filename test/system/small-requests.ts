import { Cluster } from '../../src/cluster.js'
import { errorCodeOf } from '../../src/errors.js'
import type { Api, RequestOf } from '../../src/protocol/message.js'
import { AlterUserScramCredentials } from '../../src/protocol/messages/alter-user-scram-credentials.js'
import { CreatePartitions } from '../../src/protocol/messages/create-partitions.js'
import { CreateTopics } from '../../src/protocol/messages/create-topics.js'
import { IncrementalAlterConfigs } from '../../src/protocol/messages/incremental-alter-configs.js'
import { InitProducerId } from '../../src/protocol/messages/init-producer-id.js'
import { JoinGroup } from '../../src/protocol/messages/join-group.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'

/**
 * Asks a node for as much as small requests can, and prints the errors that each API was answered with. Ends when every limit has been
 * met, or after some milliseconds: `node --max-old-space-size=256 --import tsx small-requests.ts [milliseconds]`.
 */
const cluster = await Cluster.open()
const client = cluster.node!.connect({ clientId: 'c'.repeat(1000) })
const errors = new Map<string, Set<string>>()

async function ask<A extends Api>(api: A, request: RequestOf<A>, code: (response: never) => number): Promise<void> {
  const told = errors.get(api.name) ?? new Set()
  errors.set(api.name, told.add(errorCodeOf(code((await client.request(api, request)) as never))))
}

const wide = (text: string) => text.padEnd(200, 'x')
const works: ((i: number) => Promise<void>)[] = [
  i =>
    ask(
      CreateTopics,
      { topics: [{ name: `${i}`, numPartitions: 3000, replicationFactor: 1 }] },
      ({ topics }: { topics: { errorCode: number }[] }) => topics[0].errorCode
    ),
  i =>
    ask(
      CreateTopics,
      { topics: [{ name: wide(`s${i}`), numPartitions: 1, replicationFactor: 1 }] },
      ({ topics }: { topics: { errorCode: number }[] }) => topics[0].errorCode
    ),
  i =>
    ask(
      CreatePartitions,
      { topics: [{ name: '0', count: 20_000 + i }], timeoutMs: 1000, validateOnly: false },
      ({ results }: { results: { errorCode: number }[] }) => results[0].errorCode
    ),
  i =>
    ask(
      JoinGroup,
      {
        groupId: 'g'.repeat(20_000) + i,
        sessionTimeoutMs: 1_800_000,
        rebalanceTimeoutMs: 1_800_000,
        memberId: '',
        protocolType: 'consumer',
        protocols: [{ name: 'p', metadata: new Uint8Array(1000) }]
      },
      ({ errorCode }: { errorCode: number }) => errorCode
    ),
  i =>
    ask(
      OffsetCommit,
      {
        groupId: `c${i}`,
        memberId: '',
        topics: [
          {
            name: '0',
            partitions: Array.from({ length: 50 }, (_, partitionIndex) => ({
              partitionIndex,
              committedOffset: 1,
              committedMetadata: 'm'.repeat(4000)
            }))
          }
        ]
      },
      ({ topics }: { topics: { partitions: { errorCode: number }[] }[] }) => topics[0].partitions[49].errorCode
    ),
  () => ask(InitProducerId, { transactionalId: null, transactionTimeoutMs: 1000 }, ({ errorCode }: { errorCode: number }) => errorCode),
  i =>
    ask(
      IncrementalAlterConfigs,
      {
        validateOnly: false,
        resources: [
          {
            resourceType: 2,
            resourceName: wide(`s${i}`),
            configs: [{ name: 'cleanup.policy', configOperation: 0, value: 'delete,'.repeat(1000) }]
          }
        ]
      },
      ({ responses }: { responses: { errorCode: number }[] }) => responses[0].errorCode
    ),
  i =>
    ask(
      AlterUserScramCredentials,
      {
        deletions: [],
        upsertions: [
          {
            name: `${'u'.repeat(2000)}${i}`,
            mechanism: 1,
            iterations: 4096,
            salt: new Uint8Array(1000),
            saltedPassword: new Uint8Array(32)
          }
        ]
      },
      ({ results }: { results: { errorCode: number }[] }) => results[0].errorCode
    )
]

/** Every limit has been met, unless it was to go on for a certain time. */
function isAllRefused(): boolean {
  const limited = ['CreateTopics', 'CreatePartitions', 'JoinGroup', 'OffsetCommit', 'AlterUserScramCredentials']
  return (
    process.argv[2] === undefined &&
    limited.every(name => [...(errors.get(name) ?? [])].some(code => code !== 'NONE' && code !== 'MEMBER_ID_REQUIRED'))
  )
}

await works[0](0)
const end = Date.now() + Number(process.argv[2] ?? 20_000)
await Promise.all(
  works.map(async work => {
    for (let i = 1; Date.now() < end && !isAllRefused(); i++) await work(i)
  })
)
console.log(JSON.stringify(Object.fromEntries([...errors].map(([name, codes]) => [name, [...codes].sort()]))))
process.exit()
