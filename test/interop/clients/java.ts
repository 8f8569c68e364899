import { kafkaTool, missingKafka } from '../kafka/apache-kafka.js'
import { codecs, expectEqual, type ForeignClient, Round } from './client-round.js'

const tools = 'org.apache.kafka.tools'

/** The Java clients, by the command line tools of Apache Kafka. */
export const java: ForeignClient = {
  name: 'Apache Kafka (Java)',
  missing: missingKafka,
  version: async () => '4.3.0',
  async round(address, zstd) {
    const round = new Round()
    const at = ['--bootstrap-server', address]
    const topics = (...args: string[]) => kafkaTool(`${tools}.TopicCommand`, [...at, ...args])
    const consume = async (topic: string, count: number, ...more: string[]) => {
      const args = [...at, '--topic', topic, '--from-beginning', '--max-messages', String(count), '--timeout-ms', '20000', ...more]
      return (await kafkaTool(`${tools}.consumer.ConsoleConsumer`, args)).trim().split('\n')
    }
    const produce = (topic: string, input: string, ...more: string[]) =>
      kafkaTool(
        `${tools}.ConsoleProducer`,
        [...at, '--topic', topic, '--reader-property', 'parse.key=true', '--reader-property', 'key.separator=:', ...more],
        input
      )
    await round.check('create, describe and list topics', async () => {
      await topics('--create', '--topic', 'java-admin', '--partitions', '3')
      expectEqual((await topics('--describe', '--topic', 'java-admin')).match(/PartitionCount: \d+/)?.[0], 'PartitionCount: 3')
      await topics('--alter', '--topic', 'java-admin', '--partitions', '5')
      expectEqual((await topics('--list')).includes('java-admin'), true)
    })
    await round.check('change configs', async () => {
      const config = (...args: string[]) =>
        kafkaTool('kafka.admin.ConfigCommand', [...at, '--entity-type', 'topics', '--entity-name', 'java-admin', ...args])
      await config('--alter', '--add-config', 'retention.ms=123456')
      expectEqual((await config('--describe')).includes('retention.ms=123456'), true)
    })
    for (const codec of codecs) {
      if (codec === 'zstd' && !zstd) continue
      await round.check(`produce (idempotently) and consume ${codec}`, async () => {
        const records = Array.from({ length: 200 }, (_, i) => `k${i}:v${i}`)
        await produce(`java-${codec}`, records.join('\n'), '--compression-codec', codec)
        const got = await consume(`java-${codec}`, 200, '--formatter-property', 'print.key=true', '--formatter-property', 'key.separator=:')
        expectEqual(got.sort(), records.sort())
      })
    }
    await round.check('consume in a group, commit, and describe it', async () => {
      await consume('java-none', 200, '--group', 'java-group')
      const described = await kafkaTool(`${tools}.consumer.group.ConsumerGroupCommand`, [...at, '--describe', '--group', 'java-group'])
      expectEqual(/java-group\s+java-none\s+0\s+200\s+200\s+0/.test(described), true)
      const reset = ['--group', 'java-group', '--topic', 'java-none', '--reset-offsets', '--to-offset', '150', '--execute']
      await kafkaTool(`${tools}.consumer.group.ConsumerGroupCommand`, [...at, ...reset])
      expectEqual((await consume('java-none', 50, '--group', 'java-group')).length, 50)
    })
    await round.check('find and delete offsets', async () => {
      const offsets = await kafkaTool(`${tools}.GetOffsetShell`, [...at, '--topic', 'java-none', '--time', '-1'])
      expectEqual(offsets.trim(), 'java-none:0:200')
      const sizes = await kafkaTool(`${tools}.LogDirsCommand`, [...at, '--describe', '--topic-list', 'java-none'])
      expectEqual(sizes.includes('"partition":"java-none-0"'), true)
    })
    await round.check('delete topics', async () => {
      await topics('--delete', '--topic', 'java-admin')
      expectEqual((await topics('--list')).includes('java-admin'), false)
    })
    return round.checks
  }
}
