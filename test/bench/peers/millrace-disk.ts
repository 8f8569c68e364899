import type { StoreKind } from '../disk-run.js'
import type { SyncStore } from '../sync-run.js'
import { Cluster, fileModule, string, topic } from './millrace.js'

/** A cluster on disk with one topic; `durability` is the file storage's. */
async function openCluster(folder: string, durability: 'os' | 'always' = 'os') {
  const { fileStorage } = await fileModule()
  return Cluster.open({ storage: fileStorage(folder, { durability }) })
}

const log = (partitions: number) => topic('log', { key: string, value: string, partitions, configs: { 'retention.bytes': -1 } })

export function millraceStore(partitions: number, reading: 'records' | 'batches' | 'cursor'): StoreKind {
  return {
    async open(folder) {
      const cluster = await openCluster(folder)
      const target = log(partitions)
      await cluster.admin().createTopics([target])
      const producer = cluster.producer()
      return { append: messages => producer.sendBatch(target, messages), close: () => cluster.close() }
    },
    async reopen(folder, count) {
      const cluster = await openCluster(folder)
      const consumer = cluster.consumer({ topics: [log(partitions)], autoOffsetReset: 'earliest' })
      return {
        async replay(see) {
          let seen = 0
          if (reading === 'records') {
            for await (const { key, value } of consumer) {
              see(key, value)
              if (++seen === count) return
            }
          }
          for await (const batch of consumer.batches()) {
            if (reading === 'batches') for (const { key, value } of batch) see(key, value)
            else {
              const cursor = batch.cursor()
              const { raw } = cursor
              // Its bytes are looked at where they are: the first three are all that there is to check.
              while (cursor.next()) see('user-0', numberAt(raw.bytes, raw.valueStart))
            }
            if ((seen += batch.recordCount) === count) return
          }
        },
        close: () => cluster.close()
      }
    }
  }
}

const numbers = Array.from({ length: 1000 }, (_, number) => String(number).padStart(3, '0'))

function numberAt(bytes: Uint8Array, start: number): string {
  return numbers[(bytes[start] - 48) * 100 + (bytes[start + 1] - 48) * 10 + bytes[start + 2] - 48]
}

/** `send`, awaited; a record is acknowledged when it has been synced. */
export async function millraceSynced(folder: string): Promise<SyncStore> {
  const cluster = await openCluster(folder, 'always')
  const target = log(1)
  await cluster.admin().createTopics([target])
  const producer = cluster.producer()
  return {
    append: message => producer.send(target, message),
    count: () => cluster.topic('log').partitions[0].log.logEndOffset,
    close: () => cluster.close()
  }
}
