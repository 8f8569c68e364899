import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { LocalBroker, nodeOf } from '../../src/broker/local-broker.js'
import { ClusterMetadata, elections, partitionRecord } from '../../src/metadata/cluster-metadata.js'
import { decodeMetadataRecord, type MetadataRecord } from '../../src/metadata/records.js'
import { IncrementalAlterConfigs } from '../../src/protocol/messages/incremental-alter-configs.js'
import { BatchBuilder } from '../../src/record/batch-builder.js'
import { controlTypeOf } from '../../src/record/control-record.js'
import { batchesIn } from '../../src/record/record-batch.js'
import { fileStorage } from '../../src/storage/file/index.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { batch, createTopic, fetch, produce } from './helpers.js'

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'millrace-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

async function withNode<T>(use: (node: LocalBroker, events: string[]) => Promise<T>): Promise<T> {
  const storage = fileStorage(home)
  try {
    const clock = new VirtualClock()
    const node = await LocalBroker.open({ storage, clock })
    const events: string[] = []
    for (const name of ['straySetAside', 'partitionStopped', 'error'] as const) node.events.on(name, () => void events.push(name))
    await clock.advance(0)
    try {
      return await use(node, events)
    } finally {
      await node.close()
    }
  } finally {
    await storage.close()
  }
}

const clientOf = (node: LocalBroker) => node.connect({ clientId: 'test' })

/** A control batch of one record, of this type. */
function control(type: number): Uint8Array {
  const builder = new BatchBuilder({})
  builder.append(0, new Uint8Array([0, 0, 0, type]), new Uint8Array([0, 0, 0]))
  return builder.build({ control: true }).slice()
}

/** Puts a snapshot in the place of the beginning of the metadata log, as Kafka does after a while; what comes after two topics stays in the log. */
function takeSnapshot(offset: number): string {
  const folder = join(home, '__cluster_metadata-0')
  const log = readFileSync(join(folder, '00000000000000000000.log'))
  const [before, after] = [[] as Uint8Array[], [] as Uint8Array[]]
  for (const each of batchesIn(log)) (each.baseOffset < offset ? before : after).push(each.bytes.slice())
  for (const name of readdirSync(folder)) rmSync(join(folder, name))
  const digits = String(offset).padStart(20, '0')
  const snapshot = join(folder, `${digits}-0000000001.checkpoint`)
  writeFileSync(snapshot, Buffer.concat([control(3), ...before, control(4)]))
  writeFileSync(join(folder, `${digits}.log`), Buffer.concat(after))
  return snapshot
}

describe('a metadata log whose beginning Kafka has put into a snapshot', () => {
  let offset = 0
  beforeEach(async () => {
    await withNode(async node => {
      for (const name of ['orders', 'users']) {
        await createTopic(clientOf(node), name)
        await produce(clientOf(node), name, 0, batch(name))
      }
    })
    const log = readFileSync(join(home, '__cluster_metadata-0', '00000000000000000000.log'))
    offset = [...batchesIn(log)].at(-1)?.nextOffset ?? 0
    await withNode(node => createTopic(clientOf(node), 'later'))
  })

  it('gives the topics from both, again and again', async () => {
    takeSnapshot(offset)
    for (let i = 0; i < 3; i++) {
      await withNode(async (node, events) => {
        const more = ['more-1', 'more-2'].slice(0, i)
        expect([...node.topics.keys()].sort()).toEqual(['later', ...more, 'orders', 'users'])
        expect(await fetch(clientOf(node), 'orders', [0])).toMatchObject([{ values: ['orders'] }])
        expect(events).toEqual([])
        if (i < 2) await createTopic(clientOf(node), `more-${i + 1}`)
      })
    }
  })

  it('is refused where the snapshot is damaged, and nothing is set aside', async () => {
    const snapshot = takeSnapshot(offset)
    const whole = readFileSync(snapshot)
    const before = readdirSync(home)
    for (const cut of [whole.length - 1, 200, 0]) {
      writeFileSync(snapshot, whole.subarray(0, cut))
      await expect(withNode(async () => {})).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE' })
    }
    writeFileSync(
      snapshot,
      whole.map((byte, i) => (i === 300 ? byte ^ 1 : byte))
    )
    await expect(withNode(async () => {})).rejects.toMatchObject({ code: 'CORRUPT_MESSAGE' })
    expect(readdirSync(home).filter(name => name !== '.kafka_cleanshutdown')).toEqual(
      before.filter(name => name !== '.kafka_cleanshutdown')
    )
    writeFileSync(snapshot, whole)
    await withNode(async node => expect(node.topics.size).toBe(3))
  })
})

describe('a metadata log that has outgrown its limit', () => {
  const changes = 15_000

  async function change(node: LocalBroker): Promise<void> {
    const client = clientOf(node)
    for (let i = 0; i < changes; i++) {
      const configs = [{ name: 'retention.ms', configOperation: 0, value: String(1e12 + i) }]
      const resources = [{ resourceType: 2, resourceName: 'orders', configs }]
      await client.request(IncrementalAlterConfigs, { resources, validateOnly: false })
    }
  }

  const folder = () => join(home, '__cluster_metadata-0')
  const snapshots = () => readdirSync(folder()).filter(name => name.endsWith('.checkpoint'))

  it('has a snapshot beside it, which names the quorum, holds the state, and gives it back', async () => {
    await withNode(async node => {
      await createTopic(clientOf(node), 'orders')
      await change(node)
    })
    const [name, ...others] = snapshots()
    expect(others).toEqual([])
    expect(name).toMatch(/^\d{20}-0000000000\.checkpoint$/)
    const batches = [...batchesIn(readFileSync(join(folder(), name)))]
    const controls = batches.filter(({ isControl }) => isControl).map(batch => controlTypeOf([...batch.records()][0].key))
    expect(controls).toEqual(['SNAPSHOT_HEADER', 'KRAFT_VERSION', 'KRAFT_VOTERS', 'SNAPSHOT_FOOTER'])
    expect(batches[0].isControl && batches.at(-1)?.isControl).toBe(true)
    await withNode(async (node, events) => {
      expect(nodeOf(node).metadata.topics.get('orders')?.configs.get('retention.ms')).toBe(String(1e12 + changes - 1))
      expect(events).toEqual([])
    })
  }, 60_000)
})

describe('a new directory', () => {
  it('names this node as its quorum, and has the feature levels of a new Kafka', async () => {
    await withNode(async () => {})
    const snapshot = readFileSync(join(home, '__cluster_metadata-0', '00000000000000000000-0000000000.checkpoint'))
    const directoryId = /^directory\.id=(.*)$/m.exec(readFileSync(join(home, 'meta.properties'), 'utf8'))?.[1] as string
    expect(snapshot.includes(Buffer.from(directoryId, 'base64url'))).toBe(true)
    expect([...batchesIn(snapshot)].map(({ isControl, recordCount }) => [isControl, recordCount])).toEqual(Array(4).fill([true, 1]))
    const log = readFileSync(join(home, '__cluster_metadata-0', '00000000000000000000.log'))
    const names = [...batchesIn(log)].flatMap(batch => [...batch.records()].map(({ value }) => decodeMetadataRecord(value!)))
    expect(names).toMatchObject([
      { name: 'metadata.version', featureLevel: 30 },
      { name: 'group.version', featureLevel: 1 },
      { name: 'transaction.version', featureLevel: 2 },
      { name: 'share.version', featureLevel: 1 },
      { name: 'streams.version', featureLevel: 1 }
    ])
  })
})

describe('what Kafka has changed of a partition', () => {
  const changed = async (records: readonly MetadataRecord[]) => {
    const metadata = new ClusterMetadata()
    const topicId = 'AAAAAAAAAAAAAAAAAAAAAQ'
    metadata.replay({ type: 'topic', name: 'orders', topicId })
    const state = { partition: 0, replicas: [0], isr: [0], leaderId: 0, leaderEpoch: 3, partitionEpoch: 7 }
    metadata.replay(partitionRecord(topicId, state))
    for (const record of records) metadata.replay({ ...record, topicId, partitionId: 0 } as MetadataRecord)
    return metadata
  }
  const change = (fields: object) => ({ type: 'partitionChange', ...fields }) as unknown as MetadataRecord

  it('raises the leader epoch with each leader that it names, the same one included', async () => {
    const metadata = await changed([change({ leader: -1 }), change({ leader: 0 }), change({ leader: 0 }), change({ isr: [0] })])
    expect(metadata.topics.get('orders')?.partitions[0]).toMatchObject({ leaderId: 0, leaderEpoch: 6, partitionEpoch: 11 })
  })

  it('leaves a partition that lost its leader to this node, whose only replica it is', async () => {
    const metadata = await changed([change({ leader: -1, isr: [] })])
    expect([...elections(metadata, 0)]).toMatchObject([{ leader: 0, isr: [0] }])
    expect([...elections(metadata, 1)]).toEqual([])
  })
})
