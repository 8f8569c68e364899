import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  BatchBuilder,
  Cluster,
  LeaderEpochs,
  Log,
  memoryStorage,
  type Producer,
  RecordBatch,
  RecordCursor,
  seededRandom,
  systemClock,
  type Transaction
} from '../../src/index.js'
import { fileStorage } from '../../src/storage/file/index.js'
import { InterceptedBroker, Produce, SimulatedDisk, VirtualClock } from '../../src/testing/index.js'
import { listen, Users } from '../../src/wire/index.js'

let ids = 0

/** One of everything that has public methods, in use. */
export async function openWorld() {
  const directory = await mkdtemp(join(tmpdir(), 'millrace-doors-'))
  const cluster = await Cluster.open()
  const admin = cluster.admin()
  const producer = cluster.producer()
  await producer.send('t', { value: 'v' })
  const transactional = async <R>(use: (producer: Producer) => Promise<R>) => {
    const producer = cluster.producer({ transactionalId: `t-${ids++}` })
    try {
      return await use(producer)
    } finally {
      await producer.close()
    }
  }
  const inTransaction = (use: (transaction: Transaction) => Promise<unknown>) =>
    transactional(async producer => {
      const transaction = await producer.begin()
      try {
        return await use(transaction)
      } finally {
        await transaction.abort().catch(() => {})
      }
    })
  await inTransaction(transaction => transaction.abort())
  const consumer = cluster.consumer({ groupId: 'g' })
  consumer.assign([{ topic: 't', partition: 0 }])
  await consumer.start()
  const uncommitting = cluster.consumer({ groupId: 'u', autoCommit: false })
  uncommitting.assign([{ topic: 't', partition: 0 }])
  await uncommitting.start()
  const node = cluster.node as NonNullable<typeof cluster.node>
  const brokers = { any: () => node.connect({ clientId: 'c' }), byId: () => undefined }
  const listener = await listen(cluster)
  const log = await Log.open(memoryStorage(), 'journal')
  const batch = RecordBatch.of([{ value: 'v' }])
  await log.append(batch.bytes.slice())
  const files = fileStorage(join(directory, 'data'))
  const users = new Users()
  const intercepted = new InterceptedBroker(brokers)
  return {
    directory,
    cluster,
    admin,
    producer,
    transactional,
    inTransaction,
    consumer,
    uncommitting,
    pipe: () => cluster.pipe({ from: 't', to: 'u', groupId: 'p' }),
    node,
    brokers,
    listener,
    log,
    batch,
    files,
    memory: memoryStorage(),
    users,
    intercepted,
    rule: intercepted.on(Produce),
    hold: intercepted.on(Produce).hold(),
    clock: new VirtualClock(),
    disk: new SimulatedDisk({ random: seededRandom(1) }),
    epochs: new LeaderEpochs(),
    builder: new BatchBuilder(),
    cursor: new RecordCursor(),
    parts: { brokers, clock: systemClock, random: seededRandom(1) },
    async close() {
      await listener.close()
      await cluster.close()
      await log.close()
      await files.close()
      await rm(directory, { recursive: true })
    }
  }
}

export type World = Awaited<ReturnType<typeof openWorld>>
