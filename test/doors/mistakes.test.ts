import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type AnyTopic, Cluster, json, string, topic } from '../../src/index.js'
import { InterceptedBroker, Metadata } from '../../src/testing/index.js'
import { connect, listen } from '../../src/wire/index.js'

let cluster: Cluster
let warnings: string[]
const onWarning = (warning: Error) => warnings.push(warning.message)

beforeEach(async () => {
  warnings = []
  process.on('warning', onWarning)
  cluster = await Cluster.open()
})
afterEach(async () => {
  await cluster.close()
  process.off('warning', onWarning)
})

/** What a user sees of a mistake. */
async function messageOf(call: () => unknown): Promise<string> {
  try {
    await call()
  } catch (error) {
    expect(error).toBeInstanceOf(TypeError)
    return (error as Error).message
  }
  throw new Error('Nothing was said')
}

describe('a newcomer’s mistake is told where it is made:', () => {
  const user = topic('users', { value: json<{ name: string }>() })
  const mistakes: [string, (cluster: Cluster) => unknown, string][] = [
    ['a path as storage', () => Cluster.open({ storage: './data' as never }), "fileStorage('./data')"],
    ['a cluster made with new', () => new (Cluster as never as new (parts: object) => Cluster)({}), '`await Cluster.open()` makes one'],
    ['a misspelt option', c => c.producer({ lingerMS: 5 } as never), 'did you mean `lingerMs`?'],
    ['Kafka’s name of an option', c => c.producer({ 'linger.ms': 5 } as never), 'did you mean `lingerMs`?'],
    ['KafkaJS’s name of an option', c => c.consumer({ groupId: 'g', sessionTimeout: 5 } as never), 'did you mean `sessionTimeoutMs`?'],
    ['a misspelt config of the cluster', () => Cluster.open({ configs: { 'num.partition': 3 } }), 'did you mean `num.partitions`?'],
    ['a listener that is called', c => c.on('error', (() => {})() as never), 'Expected `listener` to be a function, got `undefined`'],
    ['a number as topic', c => c.producer().send(42 as never, { value: 'x' } as never), 'Expected a topic name'],
    ['KafkaJS’s way to send', c => c.producer().send({ topic: 't', messages: [] } as never, undefined as never), 'what `topic()` returns'],
    [
      'a live topic',
      c => c.producer().send({ name: 't', partitions: [] } as never, { value: 'x' } as never),
      'Expected `t.key` to be a serde'
    ],
    ['a text as record', c => c.producer().send('t', 'hello' as never), 'to be an object, `{ key, value, … }`'],
    ['a promise as record', c => c.producer().send('t', Promise.resolve({ value: 'x' }) as never), 'an `await` is missing'],
    ['a misspelt value', c => c.producer().send('t', { key: 'a', val: 'x' } as never), 'The record has `key`, `val`'],
    ['an object without a serde', c => c.producer().send('t', { value: { a: 1 } as never }), 'to be a string, a Uint8Array or null'],
    ['a list for send', c => c.producer().send('t', [{ value: 'x' }] as never), '`sendBatch` takes many'],
    ['a record for sendBatch', c => c.producer().sendBatch('t', { value: 'x' } as never), 'Expected `records` to be an array'],
    ['a date as timestamp', c => c.producer().send('t', { value: 'x', timestamp: new Date() as never }), 'milliseconds since 1970'],
    ['a text as partition', c => c.producer().send('t', { value: 'x', partition: '0' as never }), 'the partition of a record'],
    ['json that is not called', () => topic('t', { value: json as never }), 'call it, `json()`'],
    ['the name of a serde', () => topic('t', { value: 'json' as never }), 'Expected `value` to be a serde'],
    ['a name of a topic with a blank', () => topic('my topic'), 'Expected a topic name'],
    [
      'key and value mixed up',
      c => c.producer().send(topic('t', { key: string }) as AnyTopic, { key: { id: 1 }, value: 'x' }),
      'The key of a record'
    ],
    ['a wrong value', c => c.producer().send(topic('t', { value: string }), { value: user as never }), 'The value of a record'],
    ['a circle as JSON', c => c.producer().send(user, { value: circle() as never }), 'JSON can hold'],
    ['a text as topics', c => c.consumer({ topics: 't' as never }), 'Expected `topics` to be a non-empty list'],
    ['KafkaJS’s way to subscribe', c => c.consumer().subscribe({ topics: ['t'], fromBeginning: true } as never), 'what `topic()` returns'],
    ['an empty group', c => c.consumer({ groupId: '' }), 'Expected `groupId` to be a non-empty string'],
    ['no topics', c => c.consumer({ groupId: 'g' })[Symbol.asyncIterator]().next(), 'nothing to read'],
    ['a handler for run', c => c.consumer({ topics: ['t'] }).run((() => {}) as never), '`{ eachRecord: handler }`'],
    ['no handler', c => c.consumer({ topics: ['t'] }).run({} as never), 'Expected one of `eachRecord` and `eachBatch`'],
    [
      'a handler that is called',
      c => c.consumer({ topics: ['t'] }).run({ eachRecord: 5 as never }),
      'Expected `eachRecord` to be a function'
    ],
    ['a name as dead letter', c => c.consumer({ topics: ['t'] }).run({ eachRecord() {}, deadLetter: 'dlq' as never }), '`deadLetter`'],
    ['an offset for commit', c => c.consumer({ groupId: 'g' }).commit(5 as never), 'Expected a list of partitions'],
    ['a record for commit', c => c.consumer({ groupId: 'g' }).commit({ topic: 't', partition: 0, offset: 1 } as never), 'Expected a list'],
    [
      'seek with three arguments',
      c => (c.consumer() as never as { seek(...args: unknown[]): void }).seek('t', 0, 5),
      'partitions as { topic, partition }'
    ],
    [
      'a controller as signal',
      c => c.consumer({ topics: ['t'] }).start({ signal: new AbortController() as never }),
      'to be an AbortSignal'
    ],
    ['heartbeats too rare', c => c.consumer({ groupId: 'g', heartbeatIntervalMs: 50_000 }), '`heartbeatIntervalMs` to be below'],
    ['waits that contradict', c => c.producer({ retryBackoffMs: 500, retryBackoffMaxMs: 100 }), 'Expected `retryBackoffMs` to be at most'],
    [
      'time-outs that contradict',
      c => c.producer({ requestTimeoutMs: 5000, deliveryTimeoutMs: 1000 }),
      'Expected `deliveryTimeoutMs` to be at least'
    ],
    ['sizes that contradict', c => c.consumer({ fetchMinBytes: 100, fetchMaxBytes: 10 }), 'Expected `fetchMinBytes` to be at most'],
    ['a name for createTopics', c => c.admin().createTopics('x' as never), 'Expected `topics` to be an array'],
    ['a name for deleteTopics', c => c.admin().deleteTopics('x' as never), 'Expected `names` to be an array'],
    ['a typed topic for deleteTopics', c => c.admin().deleteTopics([user] as never), "its name is `'users'`"],
    [
      'a config without a value',
      c => c.admin().createTopic({ name: 'x', configs: { 'retention.ms': undefined as never } }),
      "configs['retention.ms']"
    ],
    ['half a record', c => c.admin().deleteRecords([{ topic: 't', partition: 0, before: 3.5 }]), 'Expected `before`'],
    ['a broken date', c => c.admin().listOffsets(['t'], new Date('yesterday')), 'got `an invalid Date`'],
    ['a typed topic for topic', c => c.topic(user as never), 'Expected `name` to be the name of a topic'],
    ['a cluster that is not awaited', () => listen(Cluster.open() as never), 'Expected a cluster'],
    ['an address without a port', () => connect({ brokers: ['localhost'] }), 'as `host:port`'],
    ['an address for connect', () => connect('localhost:9092' as never), "{ brokers: ['host:port'] }"],
    [
      'an API by name',
      () => new InterceptedBroker({ request: () => ({}) } as never).on('Produce' as never),
      'to be an API of millrace/testing'
    ]
  ]

  it.each(mistakes)('%s', async (_, mistake, told) => {
    expect(await messageOf(() => mistake(cluster))).toContain(told)
  })
})

function circle(): object {
  const one: Record<string, unknown> = {}
  one.self = one
  return one
}

describe('code that stands between and returns nothing is told of', () => {
  it('where it stands before the brokers of a client', async () => {
    await using intercepted = await Cluster.open({ intercept: () => undefined as never })
    expect(await messageOf(() => intercepted.producer())).toContain('Expected `intercept` to be a function that returns brokers')
  })

  it('where its broker answers with nothing', async () => {
    await using intercepted = await Cluster.open({
      intercept: () => ({ any: () => ({ request: async () => undefined as never }), byId: () => undefined })
    })
    expect(await messageOf(() => intercepted.admin().listTopics())).toContain('to answer Metadata with a response, got `undefined`')
  })

  it('where a step of a rule forgets to', async () => {
    await using intercepted = await Cluster.open({
      intercept(brokers) {
        const broker = new InterceptedBroker(brokers)
        broker.on(Metadata).do(async () => undefined as never)
        return broker
      }
    })
    expect(await messageOf(() => intercepted.admin().listTopics())).toContain('Expected `step` to return the response to Metadata')
  })

  it('where it stands behind a listener, by an event or else a warning', async () => {
    await using listener = await listen(cluster, { intercept: (() => undefined) as never })
    await expect(connect({ brokers: [listener.address] })).rejects.toMatchObject({ code: 'NETWORK_EXCEPTION' })
    await expect.poll(() => warnings.join()).toContain('Expected `intercept` to return a response to ApiVersions')
  })
})

it('a misspelt event gets a warning', async () => {
  cluster.consumer().on('errors' as never, () => {})
  await expect.poll(() => warnings.join()).toContain('There is no event `errors`; did you mean `error`?')
})

it('a consumer that waits for a topic that nobody creates says so where nobody listens', async () => {
  await using strict = await Cluster.open({ configs: { 'auto.create.topics.enable': false } })
  const consumer = strict.consumer({ topics: ['nope'], groupId: 'g' })
  const next = consumer[Symbol.asyncIterator]().next()
  await expect.poll(() => warnings.join()).toContain('There is no topic `nope`; the consumer waits until somebody creates it')
  await consumer.close()
  await next
})
