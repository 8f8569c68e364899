import { appendFileSync, cpSync, mkdirSync, readdirSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { verifyDirectory } from '../../src/cli/verify/verify-directory.js'
import { readInt32, writeInt32, writeInt64 } from '../../src/common/bytes.js'
import { crc32c } from '../../src/common/crc32c.js'
import { encodeProducerSnapshot } from '../../src/log/history/producer-snapshot.js'
import { Log } from '../../src/log/log.js'
import { encodeMetadataRecord } from '../../src/metadata/records.js'
import { BatchBuilder } from '../../src/record/batch-builder.js'
import { transactionMarkerBatch } from '../../src/record/control-record.js'
import { RecordBatch } from '../../src/record/record-batch.js'
import { fileStorage } from '../../src/storage/file/file-storage.js'
import { millrace, temporaryFolder, writeCluster, writeLog } from './millrace.js'

const folder = temporaryFolder()
const sound = join(folder, 'sound')
let partition = ''

beforeAll(async () => {
  partition = await writeLog(sound, { options: { segmentBytes: 2000 } })
  writeFileSync(join(sound, 'meta.properties'), 'version=1\ncluster.id=4L6g3nShT-eMCtK--X86sw\nnode.id=0\n')
  writeFileSync(join(partition, 'partition.metadata'), 'version: 0\ntopic_id: 4L6g3nShT-eMCtK--X86sw')
})

let copies = 0

/** A copy of the sound directory with something changed in it. */
function damaged(damage: (partition: string, directory: string) => void): string {
  const directory = join(folder, `damaged ${copies++}`)
  cpSync(sound, directory, { recursive: true })
  damage(join(directory, 'orders-0'), directory)
  return directory
}

async function problemsIn(directory: string): Promise<string[]> {
  return (await verifyDirectory(directory, { patienceMs: 0 })).problems.map(({ file, message }) => `${file}: ${message}`)
}

/** Changes the bytes of a file, all but those that are cut from its end. */
function change(path: string, edit: (bytes: Buffer) => void, end?: number): void {
  const bytes = readFileSync(path).subarray(0, end)
  edit(bytes)
  writeFileSync(path, bytes)
}

const filesOf = (path: string, suffix: string) =>
  readdirSync(path)
    .filter(name => name.endsWith(suffix))
    .sort()
    .map(name => join(path, name))

describe('verify', () => {
  it('ends at once when it is interrupted, be it while it waits for who may just be writing', async () => {
    const torn = damaged(path => appendFileSync(filesOf(path, '.log').at(-1) as string, Buffer.alloc(100, 1)))
    const interrupt = new AbortController()
    const verifying = verifyDirectory(torn, { patienceMs: 2 ** 30, signal: interrupt.signal })
    setImmediate(() => interrupt.abort(new Error('interrupted')))
    await expect(verifying).rejects.toThrow()
  })

  it('finds nothing wrong with what a log wrote, and counts it', async () => {
    const report = await verifyDirectory(sound)
    expect(report).toMatchObject({ partitions: 1, batches: 40, records: 200, problems: [], notes: [] })
    expect(report.segments).toBeGreaterThan(2)
    expect(filesOf(partition, '.index').length).toBe(report.segments)
    expect(filesOf(partition, '.index').some(path => readFileSync(path).length > 8)).toBe(true)
    expect(await verifyDirectory(partition)).toEqual(report)
    expect(await verifyDirectory(relative(process.cwd(), partition))).toEqual(report)
  })

  it('can be told to look where it stands', async () => {
    const { code, output } = await millrace(['verify', '.'], '', partition)
    expect({ code, output }).toEqual({ code: 0, output: expect.stringContaining('1 partition,') })
  })

  it('finds nothing wrong with what a whole cluster left', async () => {
    const directory = join(folder, 'cluster')
    await writeCluster(directory)
    const { code, output } = await millrace(['verify', directory])
    expect({ code, output }).toEqual({ code: 0, output: expect.stringMatching(/^\d+ partitions, .*: all is well\n$/) })
    expect(JSON.parse((await millrace(['verify', directory, '--json'])).output)).toMatchObject({ problems: [], notes: [] })
  })

  it('finds nothing wrong with what another is just writing', async () => {
    const directory = join(folder, 'in use')
    const storage = fileStorage(directory)
    const log = await Log.open(storage, 'orders-0', { segmentBytes: 1_000_000, retentionMs: -1 })
    let isOver = false
    const writing = (async () => {
      for (let i = 0; !isOver; i++) {
        await log.append(RecordBatch.of([{ value: `${i}`.repeat(10) }]).bytes)
        if (i % 10 === 0) await new Promise(setImmediate)
      }
    })()
    while (log.logEndOffset < 50_000) expect((await verifyDirectory(directory, { patienceMs: 2 })).problems).toEqual([])
    isOver = true
    await writing
    await log.close()
    await storage.close()
    expect(await problemsIn(directory)).toEqual([])
  })

  it('finds any byte of a log that has been flipped', { timeout: 240_000 }, async () => {
    const directory = damaged(() => {})
    rmSync(join(directory, 'orders-0', 'leader-epoch-checkpoint'), { force: true })
    const [path] = filesOf(join(directory, 'orders-0'), '.log')
    const log = readFileSync(path)
    for (let position = 0; position < log.length; position += 3) {
      log[position] ^= 0x40
      writeFileSync(path, log)
      const problems = await problemsIn(directory)
      log[position] ^= 0x40
      // The checksum leaves out the leader epoch.
      if (!isLeaderEpoch(log, position)) expect(problems, `position ${position}`).not.toEqual([])
    }
  })

  it('exits with 1 and a list that names file and position', async () => {
    const directory = damaged(path => change(filesOf(path, '.log')[1], bytes => (bytes[100] ^= 1)))
    const { code, output } = await millrace(['verify', directory])
    expect(code).toBe(1)
    expect(output).toMatch(/^orders-0\/0+\d+\.log: position 0: The checksum of the batch at offset \d+ is \d+, its bytes give \d+\n/)
    expect(output).toMatch(/: 1 problem\n$/)
  })

  it('finds a torn tail and says how many bytes it has', async () => {
    const torn = damaged(path => truncateSync(filesOf(path, '.log').at(-1)!, readFileSync(filesOf(path, '.log').at(-1)!).length - 10))
    expect(await problemsIn(torn)).toEqual(
      expect.arrayContaining([expect.stringMatching(/\.log: position \d+: the last \d+ bytes are not a whole batch$/)])
    )
    const garbage = damaged(path => appendFileSync(filesOf(path, '.log').at(-1)!, 'garbage, and more of it than a header takes'))
    expect(await problemsIn(garbage)).toHaveLength(1)
  })

  it('finds zeros at the end of what is finished; elsewhere they are room that was made ahead', async () => {
    const zeros = damaged(path => appendFileSync(filesOf(path, '.log').at(-1)!, new Uint8Array(500)))
    expect(await problemsIn(zeros)).toEqual([])
    writeFileSync(join(zeros, '.kafka_cleanshutdown'), '')
    expect(await problemsIn(zeros)).toEqual([expect.stringMatching(/500 zeros follow the last batch$/)])
  })

  it('finds offsets that come again', async () => {
    const again = damaged(path => {
      const last = filesOf(path, '.log').at(-1)!
      appendFileSync(last, readFileSync(last).subarray(0, readInt32(readFileSync(last), 8) + 12))
    })
    expect(await problemsIn(again)).toEqual([expect.stringMatching(/offset \d+ comes again, 200 was due$/)])
  })

  const removeMiddle = (path: string) => {
    for (const suffix of ['.log', '.index', '.timeindex']) rmSync(filesOf(path, suffix)[1])
  }

  it.each<[string, (path: string) => void, RegExp]>([
    [
      'a middle segment is missing',
      removeMiddle,
      /^orders-0\/0{20}\.log: position \d+: its batches end here, and the offsets \d+ to \d+ are missing/
    ],
    [
      'a middle segment is empty',
      path => {
        truncateSync(filesOf(path, '.log')[1], 0)
        for (const suffix of ['.index', '.timeindex']) truncateSync(filesOf(path, suffix)[1], 0)
      },
      /^orders-0\/\d+\.log: position 0: it is empty, and the offsets \d+ to \d+ are missing before the next segment/
    ],
    [
      'a stray segment has a huge name',
      path => writeFileSync(join(path, '00009000000000000000.log'), ''),
      /^orders-0\/\d+\.log: position \d+: its batches end here, and the offsets 200 to 8999999999999999 are missing before the next segment, 0{4}90{15}\.log$/
    ]
  ])('takes it for damage that %s, with file and position', async (_, damage, message) => {
    const directory = damaged(damage)
    expect(await problemsIn(directory)).toContainEqual(expect.stringMatching(message))
    expect((await millrace(['verify', directory])).code).toBe(1)
  })

  it.each<[string, (directory: string, end: number) => void]>([
    ['compaction', (directory, end) => writeFileSync(join(directory, 'cleaner-offset-checkpoint'), `0\n1\norders 0 ${end}\n`)],
    ['deletion', (directory, end) => writeFileSync(join(directory, 'log-start-offset-checkpoint'), `0\n1\norders 0 ${end}\n`)]
  ])('takes offsets that %s explains for no damage, up to there', async (_, explain) => {
    let end = 0
    const directory = damaged(path => {
      end = Number(filesOf(path, '.log')[2].slice(-24, -4))
      removeMiddle(path)
    })
    explain(directory, end)
    expect(await problemsIn(directory)).toEqual([])
    explain(directory, end - 1)
    expect(await problemsIn(directory)).toHaveLength(1)
  })

  it('takes the gaps of a copied folder for those of compaction only where compaction could have made them', async () => {
    const directory = join(folder, 'copied')
    const storage = fileStorage(directory)
    const log = await Log.open(storage, 'orders-0', { segmentBytes: 1024, cleanupPolicy: 'compact', minCleanableDirtyRatio: 0 })
    for (let i = 0; i < 60; i++) await log.append(RecordBatch.of([{ key: `${i % 7}`, value: 'value '.repeat(10) }]).bytes)
    await log.compact({ force: true })
    await log.close()
    await storage.close()
    const { notes, problems } = await verifyDirectory(join(directory, 'orders-0'))
    expect(problems).toEqual([])
    expect(notes.map(({ message }) => message)).toEqual([expect.stringMatching(/^\d+ offsets are missing, as compaction leaves it$/)])
    // Here keys come again.
    const plain = await writeLog(join(folder, 'plain'), { options: { segmentBytes: 2000 } })
    removeMiddle(plain)
    expect((await verifyDirectory(plain)).problems).toHaveLength(1)
    const stray = join(folder, 'copied', 'orders-0', '00009000000000000000.log')
    writeFileSync(stray, '')
    expect((await verifyDirectory(join(directory, 'orders-0'))).problems.map(({ message }) => message)).toContainEqual(
      expect.stringContaining('to 8999999999999999 are missing before the next segment')
    )
  })

  it('takes the missing offsets of a compacted topic for no damage before its checkpoint is written', async () => {
    const directory = damaged(removeMiddle)
    const metadata = join(directory, '__cluster_metadata-0')
    mkdirSync(metadata)
    const compacts = encodeMetadataRecord({
      type: 'config',
      resourceType: 2,
      resourceName: 'orders',
      name: 'cleanup.policy',
      value: 'compact'
    })
    writeFileSync(join(metadata, '00000000000000000000.log'), RecordBatch.of([{ value: compacts }]).bytes)
    expect(await problemsIn(directory)).toEqual([])
  })

  it('finds records that do not fit their batch, even under a right checksum', async () => {
    const directory = damaged(path => {
      const builder = new BatchBuilder({})
      builder.append(1000, 'key', 'value')
      const bytes = Buffer.from(builder.build({ baseOffset: 200 }))
      bytes[62] ^= 8 // the attributes and what follows no longer make one record
      bytes[61] ^= 2
      writeInt32(bytes, 17, crc32c(bytes, 21))
      appendFileSync(filesOf(path, '.log').at(-1)!, bytes)
    })
    expect(await problemsIn(directory)).toEqual([expect.stringContaining('A batch holds invalid records')])
  })

  it.each([
    ['an offset', 0, 1, /should have offset \d+, the last one of the batch there/],
    ['a position', 4, 1, /points to where no batch begins/],
    ['a position beyond the end', 4, 1 << 20, /points beyond the last batch|follows/]
  ])('finds %s that is wrong in an index', async (_, field, by, complaint) => {
    const directory = damaged(path => change(filesOf(path, '.index')[0], bytes => writeInt32(bytes, field, readInt32(bytes, field) + by)))
    const problems = await problemsIn(directory)
    expect(problems).toEqual(expect.arrayContaining([expect.stringMatching(complaint)]))
    expect(problems.every(problem => problem.includes('.index: '))).toBe(true)
  })

  it.each([
    ['a timestamp', (bytes: Buffer) => writeInt64(bytes, 0, 1_700_000_000_001), /should have timestamp/],
    ['an offset', (bytes: Buffer) => writeInt32(bytes, 8, readInt32(bytes, 8) - 1), /stands for an offset at which no batch ends/],
    ['an entry beyond the end', (bytes: Buffer) => writeInt32(bytes, bytes.length - 4, 1 << 20), /beyond the last batch/]
  ])('finds %s that is wrong in a time index', async (_, edit, complaint) => {
    const directory = damaged(path => change(filesOf(path, '.timeindex')[0], edit))
    const problems = await problemsIn(directory)
    expect(problems).toEqual(expect.arrayContaining([expect.stringMatching(complaint)]))
    expect(problems.every(problem => problem.includes('.timeindex: '))).toBe(true)
  })

  it('finds a time index that ends before its log, where it should be finished', async () => {
    for (const at of [0, -1]) {
      const cut = (path: string) => change(filesOf(path, '.timeindex').at(at)!, bytes => bytes, -12)
      const closed = damaged((path, directory) => {
        cut(path)
        writeFileSync(join(directory, '.kafka_cleanshutdown'), '')
      })
      const missing = [
        expect.stringMatching(/^orders-0\/\d+\.timeindex: entries are missing: it ends with timestamp \d+, the largest in its log is \d+$/)
      ]
      expect(await problemsIn(closed)).toEqual(missing)
      expect(await problemsIn(join(closed, 'orders-0'))).toHaveLength(1)
      // A crash leaves what comes after the recovery point, and the last one, as it happens to be.
      expect(await problemsIn(damaged(cut))).toEqual([])
      const crashed = damaged((path, directory) => {
        cut(path)
        writeFileSync(join(directory, 'recovery-point-offset-checkpoint'), '0\n1\norders 0 190\n')
      })
      expect(await problemsIn(crashed)).toEqual(at === 0 ? missing : [])
    }
  })

  it('notes an index that ends long before its log', async () => {
    const directory = damaged((path, directory) => {
      change(filesOf(path, '.index')[0], bytes => bytes, -8)
      writeFileSync(join(directory, '.kafka_cleanshutdown'), '')
    })
    const { problems, notes } = await verifyDirectory(directory)
    expect(problems).toEqual([])
    expect(notes).toEqual([
      { file: expect.stringMatching(/\.index$/), message: expect.stringMatching(/^it has no entry after position \d+,/) }
    ])
  })

  it('notes an index that is missing', async () => {
    const lost = (directory: string) => {
      for (const suffix of ['.index', '.timeindex']) rmSync(filesOf(join(directory, 'orders-0'), suffix)[1])
      writeFileSync(join(directory, '.kafka_cleanshutdown'), '')
    }
    const { problems, notes } = await verifyDirectory(damaged((_, directory) => lost(directory)))
    expect(problems).toEqual([])
    expect(notes.map(({ message }) => message)).toEqual(Array(2).fill('it is missing: whoever opens the log makes it anew'))
  })

  it('finds an index of an odd size, and one without a log', async () => {
    const odd = damaged(path => appendFileSync(filesOf(path, '.index')[0], 'x'))
    expect(await problemsIn(odd)).toEqual([expect.stringContaining('is no multiple of 8')])
    const orphan = damaged(path => writeFileSync(join(path, '00000000000000009999.index'), ''))
    expect(await problemsIn(orphan)).toEqual(['orders-0/00000000000000009999.index: it has no log beside it'])
  })

  it('finds a damaged snapshot of producers', async () => {
    const snapshot = encodeProducerSnapshot([
      { producerId: 7, epoch: 0, batches: [], lastTimestamp: 5, coordinatorEpoch: -1, transactionStart: -1 }
    ])
    const name = '00000000000000000010.snapshot'
    const whole = damaged(path => writeFileSync(join(path, name), snapshot))
    expect(await problemsIn(whole)).toEqual([])
    for (let at = 0; at < snapshot.length; at++) {
      const flipped = snapshot.slice()
      flipped[at] ^= 1
      writeFileSync(join(whole, 'orders-0', name), flipped)
      expect(await problemsIn(whole), `byte ${at}`).toHaveLength(1)
    }
  })

  it('finds checkpoints that cannot be read or point beyond the log', async () => {
    const write = (name: string, text: string) => damaged((_, directory) => writeFileSync(join(directory, name), text))
    expect(await problemsIn(write('recovery-point-offset-checkpoint', '0\n1\norders 0 200\n'))).toEqual([])
    expect(await problemsIn(write('recovery-point-offset-checkpoint', '0\n1\norders 0 201\n'))).toEqual([
      'recovery-point-offset-checkpoint: orders-0 has offset 201 in it, its log ends at 200'
    ])
    expect(await problemsIn(write('log-start-offset-checkpoint', '0\n2\norders 0 0\n'))).toEqual([
      'log-start-offset-checkpoint: it says it has 2 entries and has 1'
    ])
    expect(await problemsIn(write('replication-offset-checkpoint', '1\n0\n'))).toEqual([expect.stringContaining("its version is '1'")])
    expect(await problemsIn(write('cleaner-offset-checkpoint', '0\n1\norders zero 0\n'))).toEqual([
      expect.stringContaining("'zero' stands where")
    ])
    expect(await problemsIn(write('meta.properties', 'version=1\nnode.id=0\n'))).toEqual(['meta.properties: it names no cluster.id'])
    expect(await problemsIn(write('orders-0/partition.metadata', 'version: 0\n'))).toEqual([expect.stringContaining('names no topic id')])
  })

  it('finds what is wrong or missing in an index of transactions', async () => {
    const directory = join(folder, 'transactions')
    const storage = fileStorage(directory)
    const log = await Log.open(storage, 'orders-0')
    for (const producerId of [5, 6, 7]) {
      const options = { producerId, producerEpoch: 0, baseSequence: 0, transactional: true }
      await log.append(RecordBatch.of([{ value: 'a' }], options).bytes, { origin: 'coordinator' })
    }
    for (const [producerId, type] of [
      [6, 'ABORT'],
      [5, 'COMMIT'],
      [7, 'ABORT']
    ] as const) {
      const marker = { type, producerId, producerEpoch: 0, coordinatorEpoch: 0, timestamp: 0 }
      await log.append(transactionMarkerBatch(marker), { origin: 'coordinator' })
    }
    await log.close()
    await storage.close()
    writeFileSync(join(directory, '.kafka_cleanshutdown'), '')
    const [file] = filesOf(join(directory, 'orders-0'), '.txnindex')
    const whole = readFileSync(file)
    expect(await problemsIn(directory)).toEqual([])
    for (let at = 0; at < whole.length; at++) {
      const bytes = Buffer.from(whole)
      bytes[at] ^= 0x10
      writeFileSync(file, bytes)
      expect(await problemsIn(directory), `byte ${at}`).not.toEqual([])
      writeFileSync(file, whole.subarray(0, at))
      expect(await problemsIn(directory), `${at} bytes`).not.toEqual([])
    }
    rmSync(file)
    expect(await problemsIn(directory)).toEqual([
      'orders-0/00000000000000000000.txnindex: {producerId 6, firstOffset 1, lastOffset 3, lastStableOffset 0} was aborted and is not in it',
      'orders-0/00000000000000000000.txnindex: {producerId 7, firstOffset 2, lastOffset 5, lastStableOffset 6} was aborted and is not in it'
    ])
  })

  it('finds leader epochs that contradict the log', async () => {
    const write = (text: string) => damaged(path => writeFileSync(join(path, 'leader-epoch-checkpoint'), text))
    expect(await problemsIn(write('0\n1\n0 0\n'))).toEqual([])
    expect(await problemsIn(write('0\n2\n0 0\n1 100\n'))).toEqual([
      'orders-0/leader-epoch-checkpoint: offset 100 has epoch 1 in it and epoch 0 in the log'
    ])
    expect(await problemsIn(write('0\n2\n1 0\n0 100\n'))).toEqual([expect.stringContaining('cannot follow')])
  })
})

/** Whether a position of a log lies in one of the four bytes that say under which leader a batch was written. */
function isLeaderEpoch(log: Uint8Array, position: number): boolean {
  let start = 0
  while (start + 12 + readInt32(log, start + 8) <= position) start += 12 + readInt32(log, start + 8)
  return position - start >= 12 && position - start < 16
}
