import {
  type Assignor,
  type Clock,
  Cluster,
  type Codec,
  type ConsumerOptions,
  json,
  Log,
  memoryStorage,
  type Producer,
  type ProducerOptions,
  RecordBatch,
  rangeAssignor,
  registerCodec,
  type Serde,
  type StandardSchema,
  type Storage,
  type StorageFile,
  string,
  systemClock,
  systemRandom,
  topic,
  validated
} from '../../src/index.js'
import { snappy } from '../../src/record/compression/snappy.js'
import { InterceptedBroker, LeaveGroup, Metadata, Produce } from '../../src/testing/index.js'
import { selfSigned } from '../wire/certificate.js'
import type { Conduct, Scene } from './scene.js'

/** A place where code of the user's is called. */
export interface Callback {
  /** The public names of it. */
  readonly names: readonly string[]
  /** How it is used, where one name is used in several ways. */
  readonly use?: string
  /** Makes use of it: it has been called when this settles, or hangs. */
  readonly play: (scene: Scene) => Promise<void>
  /** Cannot be tried here. */
  readonly isSkipped?: boolean
  /** What it may not do, as its description says. */
  readonly except?: readonly Conduct[]
  /** What it does concerns the whole process, so that it is tried in one way at a time. */
  readonly isAlone?: boolean
}

function callback(names: string | readonly string[], play: Callback['play'], use?: string): Callback {
  return { names: typeof names === 'string' ? [names] : names, play, ...(use !== undefined && { use }) }
}

function alone(names: readonly string[], play: Callback['play']): Callback {
  return { names, play, isAlone: true }
}

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes)

// ---- producers

function sending(
  names: string | readonly string[],
  send: (scene: Scene, producer: Producer) => Promise<unknown>,
  options: (scene: Scene) => ProducerOptions = () => ({})
): Callback {
  return callback(names, async scene => {
    await scene.open()
    await scene.use(send(scene, ownProducer(scene, options(scene))))
  })
}

function ownProducer(scene: Scene, options: ProducerOptions): Producer {
  const producer = scene.heard(scene.cluster.producer({ deliveryTimeoutMs: 20_000, requestTimeoutMs: 10_000, ...options }))
  scene.owner = producer
  return producer
}

const writes = (scene: Scene): Serde<string> => ({
  serialize: value => scene.actAtOnce(() => value),
  deserialize: view => text(view)
})

const schemaOf = (scene: Scene): StandardSchema<unknown, string> => ({
  '~standard': { version: 1, vendor: 'us', validate: value => scene.actAtOnce(() => ({ value: value as string })) }
})

function* records(scene: Scene) {
  yield { value: 'first' }
  yield scene.actAtOnce(() => ({ value: 'second' }))
}

const producers: Callback[] = [
  sending('Serde.serialize', (scene, producer) => producer.send(topic('orders', { value: writes(scene) }), { value: 'v' })),
  sending('Serde.serialize', (scene, producer) =>
    producer.sendBatch(topic('orders', { key: writes(scene) }), [
      { key: 'a', value: 'v' as never },
      { key: 'b', value: 'w' as never }
    ])
  ),
  sending("StandardSchema.'~standard'", (scene, producer) =>
    producer.send(topic('orders', { value: json(schemaOf(scene)) }), { value: 'v' })
  ),
  sending(
    'type Partitioner',
    async (_, producer) => Promise.all([producer.send('orders', { value: 'v' }), producer.send('side', { value: 'w' })]),
    scene => ({ partitioner: () => scene.actAtOnce(() => 0) })
  ),
  sending('Producer.sendBatch', (scene, producer) => producer.sendBatch('orders', records(scene))),
  alone(['Codec.compress'], async scene => {
    const spoilt: Codec = {
      type: 'snappy',
      compress: bytes => scene.actAtOnce(() => snappy.compress(bytes)),
      decompress: (bytes, maxBytes) => scene.actAtOnce(() => snappy.decompress(bytes, maxBytes))
    }
    registerCodec(spoilt)
    try {
      await scene.open()
      const producer = ownProducer(scene, { compression: 'snappy' })
      await Promise.all([scene.attempt(scene.send('orders', 'v', producer)), scene.attempt(scene.send('side', 'w', producer))])
    } finally {
      registerCodec(snappy)
    }
  }),
  alone(['Codec.decompress'], async scene => {
    await scene.open()
    const packing = scene.cluster.producer({ compression: 'snappy' })
    await scene.send('orders', 'v', packing)
    registerCodec({ ...snappy, decompress: (bytes, maxBytes) => scene.actAtOnce(() => snappy.decompress(bytes, maxBytes)) })
    try {
      await read(scene, {})
    } finally {
      registerCodec(snappy)
    }
  })
]

// ---- consumers

/** Reads `orders` until the callback has been called and what it does has had some turns. */
async function read(scene: Scene, options: ConsumerOptions<never, never, never>, run?: object): Promise<void> {
  await scene.send('orders', 'first')
  await scene.send('orders', 'second')
  const given = { groupId: 'g', topics: ['orders'], autoOffsetReset: 'earliest', rebalanceTimeoutMs: 150, ...options }
  const consumer = scene.heard(scene.cluster.consumer(given as never))
  scene.owner = consumer
  const reading = scene.attempt(run ? consumer.run({ ...(!('eachBatch' in run) && { eachRecord() {} }), ...run } as never) : loop(consumer))
  if ('onRevoked' in options) await consumer.start()
  else await scene.called()
  const closing = scene.attempt(consumer.close({ timeoutMs: 300 }))
  await Promise.all([reading, closing])
}

async function loop(consumer: AsyncIterable<unknown>): Promise<void> {
  for await (const _ of consumer);
}

function reading(
  names: string | readonly string[],
  use: string,
  options: (scene: Scene) => object,
  run?: (scene: Scene) => object
): Callback {
  return callback(
    names,
    async scene => {
      await scene.open()
      await read(scene, options(scene), run?.(scene))
    },
    use
  )
}

/** What a serde returns is the value, be it a promise: it is the reader's then. */
const reads = (scene: Scene): Serde<string> => ({
  serialize: value => value,
  deserialize(view) {
    const value: unknown = scene.actAtOnce(() => text(view))
    if (value instanceof Promise) value.catch(error => scene.told.push(error))
    return value as string
  }
})
const fails = () => {
  throw new Error('a handler that always fails')
}
const broken: Serde<string> = { serialize: value => value, deserialize: () => fails() as never }

const assignor = (scene: Scene): Assignor => ({
  ...rangeAssignor,
  assign: (topics, members) => scene.actAtOnce(() => rangeAssignor.assign(topics, members))
})

const consumers: Callback[] = [
  reading('Serde.deserialize', 'in a loop', scene => ({ value: reads(scene) })),
  reading(
    'Serde.deserialize',
    'in run',
    scene => ({ value: reads(scene) }),
    () => ({})
  ),
  reading("StandardSchema.'~standard'", 'when reading', scene => ({
    topics: [topic('orders', { value: validated(string, schemaOf(scene)) })]
  })),
  reading('type Rejection', 'in a loop', scene => ({ value: broken, rejection: () => scene.act() })),
  reading(
    'type Rejection',
    'in run',
    scene => ({ value: broken, rejection: () => scene.act() }),
    () => ({})
  ),
  reading('ConsumerOptions.onAssigned', 'when joining', scene => ({ onAssigned: () => scene.act() })),
  reading('ConsumerOptions.onRevoked', 'when leaving', scene => ({ onRevoked: () => scene.act() })),
  callback('ConsumerOptions.onLost', async scene => {
    await scene.open()
    await scene.send('orders', 'first')
    const options = { groupId: 'g', topics: ['orders'], rebalanceTimeoutMs: 150, heartbeatIntervalMs: 10 }
    const consumer = scene.heard(scene.cluster.consumer({ ...options, onLost: () => scene.act() }))
    scene.owner = consumer
    await consumer.start()
    const memberId = consumer.memberId
    const node = scene.cluster.node!
    await node.connect({ clientId: 'c' }).request(LeaveGroup, { groupId: 'g', members: [{ memberId: memberId!, groupInstanceId: null }] })
    await scene.called()
  }),
  reading(
    'RunOptions.eachRecord',
    'by partition',
    () => ({}),
    scene => ({ eachRecord: () => scene.act() })
  ),
  reading(
    'RunOptions.eachRecord',
    'by key',
    () => ({}),
    scene => ({ eachRecord: () => scene.act(), orderBy: 'key', concurrency: 2 })
  ),
  reading(
    'RunOptions.eachRecord',
    'with retries',
    () => ({}),
    scene => ({
      eachRecord: () => scene.act(),
      retry: { attempts: 2, backoffMs: 1 }
    })
  ),
  reading(
    'RunOptions.eachBatch',
    'one at a time',
    () => ({}),
    scene => ({ eachBatch: () => scene.act() })
  ),
  reading(
    'type DeadLetter',
    'of a handler',
    () => ({}),
    scene => ({ eachRecord: fails, deadLetter: () => scene.act() })
  ),
  reading(
    'type DeadLetter',
    'of a serde',
    () => ({ value: broken }),
    scene => ({ deadLetter: () => scene.act() })
  ),
  reading(
    'DeadLetterProducer.send',
    'of a handler',
    () => ({}),
    scene => ({
      eachRecord: fails,
      deadLetter: { topic: 'side', producer: { send: () => scene.act() } }
    })
  ),
  reading('Assignor.assign', 'when joining', scene => ({ assignors: [assignor(scene)] })),
  reading('Assignor.userData', 'when joining', scene => ({
    assignors: [{ ...rangeAssignor, userData: () => scene.actAtOnce(() => null) }]
  }))
]

// ---- pipes

function piping(name: 'transform' | 'deadLetter'): Callback {
  return callback(`PipeOptions.${name}`, async scene => {
    await scene.open()
    await scene.send('orders', 'v')
    const pipe = scene.heard(
      scene.cluster.pipe({
        from: 'orders',
        to: 'side',
        groupId: 'p',
        transform: name === 'transform' ? () => scene.act(() => ({ value: 'piped' })) : fails,
        ...(name === 'deadLetter' && { deadLetter: () => scene.act(() => ({ value: 'given up' })) })
      })
    )
    scene.owner = pipe
    await scene.use(pipe.run())
    await scene.expectInTime('pipe.close()', pipe.close({ timeoutMs: 300 }))
  })
}

const pipes: Callback[] = [piping('transform'), piping('deadLetter')]

// ---- what is plugged in

/** A clock that misbehaves in one function. */
function clockOf(scene: Scene, name: 'now' | 'monotonic' | 'setTimer'): Clock {
  const clock = { ...systemClock }
  const given = clock[name] as (...args: never[]) => unknown
  return { ...clock, [name]: (...args: never[]) => scene.actAtOnce(() => given(...args)) }
}

/** Uses a cluster with what was plugged in, which misbehaves once all stands. */
async function useAll(scene: Scene, options: object): Promise<void> {
  scene.behave()
  await scene.open(options)
  await scene.send('orders', 'before')
  scene.misbehave()
  await scene.use(scene.send('orders', 'meanwhile'))
  const consumer = scene.heard(scene.cluster.consumer({ groupId: 'g', topics: ['orders'], autoOffsetReset: 'earliest' }))
  const next = scene.attempt(consumer.records().next())
  await scene.use(Promise.all([next, scene.cluster.admin().createTopics(['new'])]))
  await scene.use(scene.cluster.housekeeping())
  await scene.use(consumer.close({ timeoutMs: 100 }))
}

function clock(name: 'now' | 'monotonic' | 'setTimer'): Callback {
  return callback(`Clock.${name}`, scene => useAll(scene, { clock: clockOf(scene, name) }))
}

function storageOf(scene: Scene, broken: string): Storage {
  const inner = scene.storage
  const spoilt = <F extends (...args: never[]) => unknown>(name: string, act: F): F =>
    ((...args) => (name === broken ? scene.act(() => act(...args)) : act(...args))) as F
  const file = (opened: StorageFile): StorageFile => ({
    get length() {
      return opened.length
    },
    append: spoilt('StorageFile.append', bytes => opened.append(bytes)),
    read: spoilt('StorageFile.read', (position, maxBytes) => opened.read(position, maxBytes)),
    truncate: spoilt('StorageFile.truncate', length => opened.truncate(length)),
    sync: spoilt('StorageFile.sync', () => opened.sync()),
    close: spoilt('StorageFile.close', () => opened.close())
  })
  return {
    durable: /^Storage\.(rename|syncFolder)|^StorageFile\.(sync|truncate)/.test(broken),
    get memoryBytes() {
      const isShort = broken === 'Storage.releaseMemory' && scene.isMisbehaving && scene.calls === 0
      return isShort ? 2 ** 40 : (inner.memoryBytes ?? 0)
    },
    ...(broken === 'Storage.prepare' && { prepare: spoilt('Storage.prepare', async () => {}) }),
    releaseMemory: spoilt('Storage.releaseMemory', () => inner.releaseMemory?.()),
    open: spoilt('Storage.open', async name => file(await inner.open(name))),
    list: spoilt('Storage.list', folder => inner.list(folder)),
    remove: spoilt('Storage.remove', name => inner.remove(name)),
    rename: spoilt('Storage.rename', (from, to) => inner.rename(from, to)),
    syncFolder: spoilt('Storage.syncFolder', folder => inner.syncFolder(folder)),
    close: spoilt('Storage.close', () => inner.close())
  }
}

function storage(name: string): Callback {
  return callback(name, async scene => {
    await useAll(scene, { storage: storageOf(scene, name) })
    if (scene.calls > 0) return
    await scene.use(scene.cluster.admin().deleteTopics(['side']))
    await scene.use(scene.cluster.close({ timeoutMs: 300 }))
  })
}

const pluggedIn: Callback[] = [
  clock('now'),
  clock('monotonic'),
  clock('setTimer'),
  callback('Clock.sliceTime', scene => useAll(scene, { clock: { ...systemClock, sliceTime: () => slice(scene) } })),
  callback('Random.next', scene => useAll(scene, { random: { next: () => scene.actAtOnce(() => systemRandom.next()) } })),
  ...['open', 'list', 'remove', 'rename', 'syncFolder', 'close'].map(name => storage(`Storage.${name}`)),
  ...['append', 'read', 'sync', 'close'].map(name => storage(`StorageFile.${name}`)),
  callback('StorageFile.truncate', async scene => {
    scene.behave()
    const storage = storageOf(scene, 'StorageFile.truncate')
    await scene.open({ storage })
    const log = await Log.open(storage, 'journal')
    for (let i = 0; i < 3; i++) await log.append(RecordBatch.of([{ value: 'v' }]).bytes.slice())
    scene.misbehave()
    await scene.use(log.truncateTo(2))
    await scene.expectInTime(
      'log.close()',
      log.close({ timeoutMs: 300 }).catch(error => scene.told.push(error))
    )
  }),
  callback('Storage.prepare', async scene => {
    await scene.open()
    await scene.use(Cluster.open({ storage: storageOf(scene, 'Storage.prepare') }).then(cluster => cluster.close()))
  }),
  callback('Storage.releaseMemory', async scene => {
    scene.behave()
    await scene.open({ storage: storageOf(scene, 'Storage.releaseMemory'), maxMemoryBytes: 64 * 2 ** 20 })
    scene.misbehave()
    await scene.use(scene.send('orders', 'where memory is short'))
  }),
  callback('ClusterOptions.intercept', async scene => {
    scene.behave()
    await scene.open({ intercept: brokers => scene.actAtOnce(() => brokers) })
    scene.misbehave()
    await scene.attempt((async () => scene.cluster.producer().close())())
  }),
  callback(['Brokers.any', 'Brokers.byId', 'Brokers.learn'], scene =>
    useAll(scene, {
      intercept: (brokers: never) => {
        const { any, byId, learn } = brokers as { any(): object; byId(id: number): object; learn?(given: never): void }
        return {
          any: () => scene.actAtOnce(any),
          byId: (id: number) => scene.actAtOnce(() => byId(id)),
          learn: (given: never) => scene.actAtOnce(() => learn?.(given))
        }
      }
    })
  ),
  callback('Brokers.close', async scene => {
    await scene.open({ intercept: brokers => ({ any: () => brokers.any(), byId: id => brokers.byId(id), close: () => scene.act() }) })
    const producer = scene.heard(scene.cluster.producer())
    scene.owner = producer
    await scene.attempt(producer.close({ timeoutMs: 200 }))
  }),
  callback('Broker.request', scene =>
    useAll(scene, {
      intercept: (brokers: { any(): { request(...args: unknown[]): Promise<unknown> } }) => {
        const broker = { request: (...args: unknown[]) => scene.act(() => brokers.any().request(...args)) }
        return { any: () => broker, byId: () => broker }
      }
    })
  ),
  ...['when', 'rewriteRequest', 'rewriteResponse', 'do'].map(rule =>
    callback(`RuleBuilder.${rule}`, async scene => {
      let broker: InterceptedBroker | undefined
      await scene.open({ intercept: brokers => (broker ??= new InterceptedBroker(brokers)) })
      const builder = broker!.on(rule === 'when' ? Metadata : Produce)
      if (rule === 'when') builder.when(() => scene.actAtOnce(() => true)).delay(0)
      else if (rule === 'do') builder.do((request, forward) => scene.act(() => forward(request)))
      else if (rule === 'rewriteRequest') builder.rewriteRequest(request => scene.actAtOnce(() => request))
      else builder.rewriteResponse(response => scene.actAtOnce(() => response))
      await scene.attempt(rule === 'when' ? scene.producer.send('unknown', { value: 'v' }) : scene.send('orders', 'v'))
    })
  )
]

let slices = 0
function slice(scene: Scene): number {
  slices += 0.001
  return scene.actAtOnce(() => slices)
}

// ---- logs on their own

function ofLog(
  name: string,
  use: (log: Log) => Promise<unknown>,
  given: (scene: Scene) => unknown = scene => () => scene.act(),
  end = 4
): Callback {
  return callback(`LogOpenOptions.${name}`, async scene => {
    await scene.open()
    const storage = Object.assign(memoryStorage(), { durable: true })
    const log = await Log.open(storage, 'journal', { segmentBytes: 200, retentionBytes: 200, [name]: given(scene) })
    scene.owner = log
    const append = async () => (await log.append(RecordBatch.of([{ value: 'v'.repeat(60) }]).bytes.slice())).baseOffset
    await scene.attempt(
      (async () => {
        for (let offset = 0; offset < 4; offset++) if ((await append()) !== offset) scene.faults.push('An append got a wrong offset')
        await use(log)
        if (log.logEndOffset !== end) scene.faults.push(`The log ends at ${log.logEndOffset}`)
      })()
    )
    await scene.expectInTime('log.close()', log.close({ timeoutMs: 300 }))
  })
}

const logs: Callback[] = [
  ofLog('onRoll', async () => {}),
  ofLog('onSegmentsRemoved', async log => log.applyRetention()),
  ofLog(
    'keepFrom',
    async log => log.applyRetention(),
    scene => () => scene.actAtOnce(() => 0)
  ),
  { ...ofLog('saveRecoveryPoint', async log => log.truncateTo(3), undefined, 3), except: ['closes its owner'] }
]

// ---- the wire

const server = selfSigned()
const client = selfSigned('/CN=ann')

const wire: Callback[] = [
  callback('type Authorize', async scene => {
    await scene.open()
    const listener = await scene.listen({ authorize: () => scene.act(() => true), authorizeTimeoutMs: 100 })
    const remote = await scene.connect(listener)
    await scene.use(remote.admin({ timeoutMs: 20_000 } as never).listTopics())
    await scene.use(
      remote.producer({ deliveryTimeoutMs: 20_000, requestTimeoutMs: 10_000, maxBlockMs: 20_000 }).send('orders', { value: 'v' })
    )
  }),
  callback('type Intercept', async scene => {
    await scene.open()
    const listener = await scene.listen({
      intercept: (exchange, answer) => (exchange.api.name === 'ApiVersions' ? answer() : scene.act(answer))
    })
    const remote = await scene.connect(listener)
    await scene.use(remote.admin().listTopics())
  }),
  callback('OAuthBearerServerOptions.validate', async scene => {
    await scene.open()
    const validate = () => scene.act(() => ({ user: 'ann' }))
    const listener = await scene.listen({ sasl: { oauthBearer: { validate, timeoutMs: 100 } }, connectionFailedAuthenticationDelayMs: 0 })
    listener.on('disconnected', ({ reason }) => scene.told.push(reason))
    const sasl = { mechanism: 'OAUTHBEARER' as const, token: () => 'token' }
    await scene.use(scene.connect(listener, { sasl }))
  }),
  callback('SaslTokenOptions.token', async scene => {
    await scene.open()
    const listener = await scene.listen({ sasl: { oauthBearer: { validate: () => ({ user: 'ann' }) } } })
    await scene.use(scene.connect(listener, { sasl: { mechanism: 'OAUTHBEARER', token: () => scene.act(() => 'token') } }))
  }),
  {
    ...callback('TlsOptions.userOfCertificate', async scene => {
      await scene.open()
      const userOfCertificate = () => scene.actAtOnce(() => 'ann')
      const listener = await scene.listen({
        tls: { ...server, ca: client?.cert, clientAuth: 'required', userOfCertificate },
        advertisedHost: 'localhost'
      })
      listener.on('disconnected', ({ reason }) => scene.told.push(reason))
      await scene.use(scene.connect(listener, { tls: { ...client, ca: server?.cert } as never }))
    }),
    isSkipped: server === undefined
  },
  callback('Connectable.connect', async scene => {
    await scene.open()
    const { node } = scene.cluster
    scene.behave()
    const listener = await scene.listen({}, { connect: given => scene.actAtOnce(() => node!.connect(given as never)) })
    listener.on('disconnected', ({ reason }) => scene.told.push(reason))
    scene.misbehave()
    const remote = await scene.connect(listener)
    await scene.use(remote.admin().listTopics())
    await scene.expectInTime('listener.close()', listener.close({ timeoutMs: 200 }))
  }),
  callback(['Connectable.scramCredentials', 'Connectable.scramUsers'], async scene => {
    await scene.open()
    const { node } = scene.cluster
    const connectable = {
      connect: (given: never) => node!.connect(given),
      scramCredentials: () => scene.actAtOnce(() => undefined),
      scramUsers: () => scene.actAtOnce(() => [])
    }
    const listener = await scene.listen({ sasl: { users: { ann: 'anns' } }, connectionFailedAuthenticationDelayMs: 0 }, connectable)
    listener.on('disconnected', ({ reason }) => scene.told.push(reason))
    await scene.use(scene.connect(listener, { sasl: { mechanism: 'SCRAM-SHA-256', username: 'bob', password: 'x' } }))
    await scene.expectInTime('listener.close()', listener.close({ timeoutMs: 200 }))
  })
]

// ---- events

/** Listens to all events of one emitter while it lives its life. */
function events(names: string, list: readonly string[], play: Callback['play']): Callback {
  return callback(
    list.map(event => `${names}.${event}`),
    async scene => {
      await scene.open()
      await play(scene)
    },
    'all at once'
  )
}

const hear = (scene: Scene, emitter: object, list: readonly string[]) => {
  for (const event of list)
    if (event !== 'error') (emitter as { on(event: string, listener: () => unknown): void }).on(event, () => scene.act())
}

const clusterEvents = [
  ...['topicCreated', 'partitionsAdded', 'topicConfigured', 'topicDeleted', 'group', 'segmentsRemoved', 'recordsLost', 'recordsExpiring'],
  ...['offsetsExpiring', 'compacted', 'logRecovered', 'tornTail', 'partitionStopped', 'straySetAside', 'fenced', 'error']
]
const consumerEvents = [
  'rebalanced',
  'assigned',
  'revoked',
  'lost',
  'committed',
  'rejected',
  'offsetReset',
  'recordsMissed',
  'error',
  'closed'
]
const producerEvents = ['delivered', 'failed', 'retry', 'error', 'closed']

const pipeEvents = ['committed', 'retry', 'rejected', 'deadLetter', 'error', 'closed']

const allEvents: Callback[] = [
  events('PipeEvents', pipeEvents, async scene => {
    await scene.send('orders', 'v')
    await scene.send('orders', 'fails')
    const pipe = scene.heard(
      scene.cluster.pipe({
        from: 'orders',
        to: 'side',
        groupId: 'p',
        value: string,
        transform: ({ value }) => (value === 'fails' ? fails() : { value }),
        deadLetter: 'side'
      })
    )
    scene.owner = pipe
    hear(scene, pipe, pipeEvents)
    await scene.use(pipe.run())
    await scene.attempt(pipe.close({ timeoutMs: 300 }))
  }),
  events('BrokerEvents', clusterEvents, async scene => {
    hear(scene, scene.cluster, [...clusterEvents, 'closed'])
    const admin = scene.cluster.admin()
    await scene.attempt(admin.createTopics([{ name: 'new', configs: { 'segment.bytes': 1048576, 'retention.bytes': 1 } }]))
    await scene.attempt(scene.send('orders', 'v'))
    await scene.attempt(admin.createPartitions('new', 2))
    await scene.attempt(scene.cluster.housekeeping())
    await scene.attempt(admin.deleteTopics(['new']))
  }),
  callback('ClusterEvents.closed', async scene => {
    await scene.open()
    scene.cluster.on('closed', () => scene.act())
    await scene.attempt(scene.cluster.close({ timeoutMs: 300 }))
  }),
  events('ConsumerEvents', consumerEvents, async scene => {
    await scene.send('orders', 'first')
    const consumer = scene.heard(scene.cluster.consumer({ groupId: 'g', topics: ['orders'], autoOffsetReset: 'earliest' }))
    scene.owner = consumer
    hear(scene, consumer, consumerEvents)
    await scene.attempt(consumer.records().next())
    await scene.attempt(consumer.commit())
    await scene.attempt(consumer.close({ timeoutMs: 300 }))
  }),
  events('ProducerEvents', producerEvents, async scene => {
    const producer = scene.heard(scene.cluster.producer())
    scene.owner = producer
    hear(scene, producer, producerEvents)
    await scene.attempt(scene.send('orders', 'v', producer))
    await scene.attempt(producer.close({ timeoutMs: 300 }))
  }),
  callback('ListenerEvents.connection', async scene => {
    await scene.open()
    const listener = await scene.listen()
    hear(scene, listener, ['connection', 'disconnected'])
    await scene.use(scene.connect(listener))
  }),
  ...['cluster', 'producer', 'consumer'].map(name =>
    callback(
      `${name === 'cluster' ? 'Broker' : name === 'producer' ? 'Producer' : 'Consumer'}Events.error`,
      async scene => {
        await scene.open()
        const emitter = scene[name as 'producer']
        scene.owner = emitter
        emitter.removeAllListeners('error')
        emitter.on('error', () => scene.act())
        emitter.on('closed', () => {
          throw new Error('a listener of another event fails')
        })
        await scene.attempt(emitter.close({ timeoutMs: 300 }))
        await scene.use(scene.called())
      },
      'after that of another event'
    )
  )
]

export const callbacks: readonly Callback[] = [...producers, ...consumers, ...pipes, ...pluggedIn, ...logs, ...wire, ...allEvents]
