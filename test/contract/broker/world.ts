import { randomUUID } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LocalBroker } from '../../../src/broker/local-broker.js'
import type { Brokers } from '../../../src/protocol/broker.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { memoryStorage } from '../../../src/storage/memory/memory.js'
import type { Storage } from '../../../src/storage/storage.js'
import { listen } from '../../../src/wire/listener.js'
import { remoteBrokers } from '../../../src/wire/remote-brokers.js'

/** Somewhere a broker stands that must keep the contract. */
export interface World {
  readonly name: string
  /** Whether the broker is Apache Kafka itself, which says what is right. */
  readonly isKafka: boolean
  open(): Promise<OpenWorld>
}

export interface OpenWorld {
  /** A way to the broker of its own for each client. */
  connect(clientId: string): Brokers
  close(): Promise<void>
}

/** How every broker under test is configured; Kafka takes the same names. */
export const brokerConfigs = {
  'num.partitions': '3',
  'group.min.session.timeout.ms': '100',
  'offsets.topic.num.partitions': '1'
} as const

async function openNode(storage: Storage): Promise<OpenWorld> {
  const node = await LocalBroker.open({ storage, configs: brokerConfigs })
  return {
    connect(clientId) {
      const broker = node.connect({ clientId })
      return { any: () => broker, byId: id => (id === node.nodeId ? broker : undefined) }
    },
    async close() {
      await node.close()
      await storage.close()
    }
  }
}

export const inMemory: World = { name: 'a node in this process, in memory', isKafka: false, open: () => openNode(memoryStorage()) }

export const onDisk: World = {
  name: 'a node in this process, on disk',
  isKafka: false,
  async open() {
    const folder = await mkdtemp(join(tmpdir(), 'millrace-'))
    const world = await openNode(fileStorage(folder))
    return {
      ...world,
      async close() {
        await world.close()
        await rm(folder, { recursive: true })
      }
    }
  }
}

export const overTheWire: World = {
  name: 'a node behind a socket',
  isKafka: false,
  async open() {
    const storage = memoryStorage()
    const node = await LocalBroker.open({ storage, configs: brokerConfigs })
    const listener = await listen(node)
    return {
      connect: clientId => remoteBrokers({ brokers: [listener.address], clientId }),
      async close() {
        await listener.close()
        await node.close()
        await storage.close()
      }
    }
  }
}

/** A name that no other case uses, in this run or another. */
export function fresh(name: string): string {
  return `${name}-${randomUUID().slice(0, 8)}`
}
