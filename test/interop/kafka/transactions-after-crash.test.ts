import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { seededRandom } from '../../../src/common/random.js'
import { Cluster } from '../../../src/index.js'
import { decodeProducerSnapshot } from '../../../src/log/history/producer-snapshot.js'
import { SimulatedDisk } from '../../../src/testing/index.js'
import { dumpLogSegment, missingKafka } from './apache-kafka.js'

const missing = await missingKafka()
const topic = 'moves'
const configs = { 'transaction.state.log.num.partitions': 1, 'offsets.topic.num.partitions': 1 }

/** Transactions, committed and aborted, with and without conditions, until the disk stops. */
async function write(cluster: Cluster, life: number): Promise<void> {
  const producers = [1, 2, 3].map(i => cluster.producer({ transactionalId: `mover-${i}`, retryBackoffMs: 1, transactionTimeoutMs: 5000 }))
  await Promise.all(
    producers.map(async (producer, which) => {
      for (let i = 0; i < 40; i++) {
        const work = producer.transaction(async tx => {
          const key = `${life}/${which}/${i}`
          await tx.send(topic, { key, value: 'x'.repeat(40 * (i % 5)) }, i % 2 === 0 ? { ifKeyAt: 'none' } : {})
          if (i % 3 === 0) throw new Error('changed my mind')
        })
        await work.catch(error => {
          if (error.message !== 'changed my mind') throw error
        })
      }
    })
  )
}

describe.skipIf(missing)("Apache Kafka's own tool, on transactions that crashes have interrupted", () => {
  it.each(['process', 'power'] as const)('finds nothing wrong in what is left (%s)', { timeout: 120_000 }, async kind => {
    const random = seededRandom(7)
    const disk = new SimulatedDisk({ random })
    for (let life = 0; life < 4; life++) {
      const cluster = await Cluster.open({ storage: disk.mount({ syncEachAppend: true }), configs })
      for (const event of ['error', 'tornTail'] as const) cluster.on(event, () => {})
      if (life === 0)
        await cluster.admin().createTopics([{ name: topic, partitions: 2, configs: { 'segment.bytes': 4096, 'millrace.key.index': true } }])
      const isLast = life === 3
      if (!isLast) disk.stopAfter(300 + Math.floor(random.next() * 300))
      const writing = write(cluster, life)
      writing.catch(() => {})
      if (isLast) await writing
      else {
        while (!disk.hasStopped) await new Promise(setImmediate)
        disk.crash(kind)
      }
      await cluster.close(isLast ? {} : { timeoutMs: 0 }).catch(() => {})
      await writing.catch(() => {})
    }
    const directory = await mkdtemp(join(tmpdir(), 'millrace-crashed-'))
    try {
      const names = Object.keys(disk.files()).filter(name => /\.(log|index|timeindex|txnindex|snapshot)$/.test(name) && /-\d+\//.test(name))
      for (const name of names) {
        await mkdir(dirname(join(directory, name)), { recursive: true })
        await writeFile(join(directory, name), disk.content(name) as Uint8Array)
      }
      const files = names.filter(name => name.startsWith(topic) && (disk.content(name) as Uint8Array).length > 0).sort()
      expect(files.some(name => name.endsWith('.txnindex'))).toBe(true)
      const dump = await dumpLogSegment(files.map(name => join(directory, name)).join(','), '--deep-iteration')
      expect(dump).not.toMatch(/isvalid: (?!true)|Mismatches|Found (timestamp|out of order)|could not|corrupt|Exception/i)
      // Every transaction has its marker.
      expect(dump.match(/endTxnMarker: COMMIT/g)?.length).toBeGreaterThan(50)
      expect(dump.match(/endTxnMarker: ABORT/g)?.length).toBeGreaterThan(20)
      const snapshots = files.filter(name => name.endsWith('.snapshot'))
      const producers = await Promise.all(snapshots.map(async name => decodeProducerSnapshot(await readFile(join(directory, name)))))
      expect(dump.match(/^producerId: \d+ producerEpoch: /gm)?.length).toBe(producers.flat().length)
      const states = names.filter(name => /^__transaction_state-0\/.*\.log$/.test(name)).map(name => join(directory, name))
      const decoded = await dumpLogSegment(states.join(','), '--transaction-log-decoder')
      expect(decoded).toContain('"transactionStatus":4')
      expect(decoded).toContain('"transactionStatus":5')
      expect(decoded).not.toMatch(/exception|isvalid: false/i)
    } finally {
      await rm(directory, { recursive: true, force: true })
    }
  })
})
