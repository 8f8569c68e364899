import { appendFileSync, cpSync, mkdirSync, readdirSync, readFileSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import type { CompressionType } from '../../src/record/compression/codec.js'
import { transactionMarkerBatch } from '../../src/record/control-record.js'
import { millrace, millraceHere, Running, temporaryFolder, writeCluster, writeLog } from './millrace.js'

const folder = temporaryFolder()
const cluster = join(folder, 'a cluster')

beforeAll(() => writeCluster(cluster))

/** The JSON objects that a command printed. */
async function json(...args: string[]) {
  const { code, output, errors } = await millraceHere(...args, '--json')
  expect({ code, errors }).toEqual({ code: 0, errors: '' })
  return output
    .split('\n')
    .slice(0, -1)
    .map(line => JSON.parse(line))
}

describe('dump', () => {
  it.each(['none', 'gzip', 'snappy', 'lz4'] as CompressionType[])('shows batches and records compressed with %s', async compression => {
    const path = await writeLog(join(folder, compression), { batches: 3, size: 2, batch: { compression } })
    const shown = await json('dump', path, '--records')
    expect(shown.map(({ type }) => type)).toEqual(['batch', 'record', 'record', 'batch', 'record', 'record', 'batch', 'record', 'record'])
    expect(shown[3]).toMatchObject({
      baseOffset: 2,
      lastOffset: 3,
      recordCount: 2,
      compression,
      isValid: true,
      leaderEpoch: 0,
      producerId: -1
    })
    expect(shown[3].position).toBe(shown[0].sizeInBytes)
    expect(shown[4]).toEqual({
      type: 'record',
      offset: 2,
      timestamp: 1_700_000_001_000,
      key: 'key 0',
      value: 'value 2',
      headers: [{ key: 'h', value: 'x' }]
    })
  })

  it('prints a line for each batch and each record', async () => {
    const path = await writeLog(join(folder, 'lines'), { batches: 2, size: 2 })
    const { code, output } = await millrace(['dump', path, '-r'])
    expect(code).toBe(0)
    const lines = output.split('\n')
    expect(lines[0]).toMatch(
      /^offsets 0-1 {2}position 0 {2}\d+ bytes {2}2 records {2}none {2}CreateTime 2023-11-14T22:13:20.001Z {2}leader epoch 0 {2}crc \d+$/
    )
    expect(lines[1]).toBe('    0  2023-11-14T22:13:20.000Z  "key 0": "value 0"  h="x"')
    expect(lines.length).toBe(7)
  })

  it('shows indexes, snapshots and checkpoints', async () => {
    const path = await writeLog(join(folder, 'files'), { batches: 20 })
    const batches = (await json('dump', path)).map(({ lastOffset, maxTimestamp }) => ({ lastOffset, maxTimestamp }))
    const index = await json('dump', join(path, '00000000000000000000.index'))
    expect(index.length).toBeGreaterThan(2)
    for (const { offset } of index) expect(batches.map(({ lastOffset }) => lastOffset)).toContain(offset)
    for (const { offset, timestamp } of await json('dump', join(path, '00000000000000000000.timeindex'))) {
      expect(batches).toContainEqual({ lastOffset: offset, maxTimestamp: timestamp })
    }
    for (const name of readdirSync(path).filter(name => /snapshot|epoch/.test(name))) await json('dump', join(path, name))
  })

  it('goes on after a damaged batch, and exits with 1', async () => {
    const path = await writeLog(join(folder, 'damaged'), { batches: 3, options: { segmentBytes: 100_000 } })
    const log = join(path, '00000000000000000000.log')
    const { length } = readFileSync(log)
    truncateSync(log, length - 1)
    const { code, output } = await millraceHere('dump', path)
    expect(code).toBe(1)
    expect(output.split('\n')).toEqual([
      expect.any(String),
      expect.any(String),
      expect.stringMatching(/^WRONG: position \d+: the last \d+/),
      ''
    ])
  })

  it('finds nothing wrong with the room that a writer makes ahead', async () => {
    const path = await writeLog(join(folder, 'room'), { batches: 3, options: { segmentBytes: 100_000 } })
    appendFileSync(join(path, '00000000000000000000.log'), Buffer.alloc(4096))
    expect(await millraceHere('dump', path)).toMatchObject({ code: 0, output: expect.stringMatching(/\nNOTE: .*4096 bytes are zeros/) })
    expect((await json('dump', path)).at(-1)).toMatchObject({ type: 'note' })
  })

  it('says what the records of internal topics mean', async () => {
    const committed: object[] = []
    for (const name of readdirSync(cluster).filter(name => name.startsWith('__consumer_offsets-'))) {
      for (const { meaning } of await json('dump', join(cluster, name), '--records')) if (meaning) committed.push(meaning)
    }
    expect(committed).toContainEqual({
      type: 'offset',
      groupId: 'billing',
      topic: 'orders',
      partition: 1,
      value: expect.objectContaining({ offset: 40 })
    })
    const metadata = await json('dump', join(cluster, '__cluster_metadata-0'), '--records')
    expect(metadata.map(({ meaning }) => meaning)).toContainEqual(expect.objectContaining({ type: 'topic', name: 'orders' }))
  })

  it('shows the markers of transactions', async () => {
    const path = await writeLog(join(folder, 'marker'), { batches: 1, options: { segmentBytes: 100_000 } })
    const marker = { type: 'ABORT', producerId: 7, producerEpoch: 1, coordinatorEpoch: 0, timestamp: 1000 } as const
    appendFileSync(join(path, '00000000000000000000.log'), transactionMarkerBatch(marker))
    const shown = await json('dump', path, '--records')
    expect(shown.at(-2)).toMatchObject({ isControl: true, isTransactional: true, producerId: 7, producerEpoch: 1 })
    expect(shown.at(-1)).toMatchObject({ meaning: { control: 'ABORT' } })
  })
})

describe('topics', () => {
  it('lists topics with partitions, offsets and size', async () => {
    const { code, output } = await millrace(['topics', cluster])
    expect(code).toBe(0)
    expect(output).toMatch(/^topic +partitions +offsets +size +id\n/)
    expect(output).toMatch(/^orders +3 +300 +\d/m)
  })

  it('passes over what is no partition, though it may look like one', async () => {
    const directory = join(folder, 'a link and a file')
    cpSync(cluster, directory, { recursive: true })
    const { output } = await millraceHere('topics', cluster)
    symlinkSync('/nowhere', join(directory, 'gone-0'))
    writeFileSync(join(directory, 'file-0'), '')
    mkdirSync(join(directory, 'lost+found'))
    expect(await millraceHere('topics', directory)).toEqual({ code: 0, errors: '', output })
    expect(await millraceHere('verify', directory)).toMatchObject({ code: 0 })
  })

  it('lists partitions with their first and last offsets', async () => {
    const rows = (await json('topics', cluster)).filter(({ topic }) => topic === 'orders')
    expect(rows).toEqual([0, 1, 2].map(partition => expect.objectContaining({ partition, logStartOffset: 0, logEndOffset: 100 })))
    expect((await millraceHere('topics', cluster, '-p')).output).toMatch(/^orders +1 +0 +100 +\d/m)
  })
})

describe('groups', () => {
  it('lists committed offsets and lag', async () => {
    const { code, output } = await millrace(['groups', cluster])
    expect(code).toBe(0)
    expect(output).toMatch(/^group +state +members +topic +partition +committed +end +lag\n/)
    expect(output).toMatch(/^billing +empty +0 +orders +1 +40 +100 +60$/m)
    expect(await json('groups', cluster)).toContainEqual(expect.objectContaining({ groupId: 'billing', partition: 1, lag: 60 }))
  })
})

describe('tail', () => {
  const offsets = (rows: { offset: number }[]) => rows.map(({ offset }) => offset)

  it('shows the last ten records of each partition', async () => {
    const { code, output } = await millrace(['tail', cluster, 'orders'])
    expect(code).toBe(0)
    expect(output.split('\n')).toHaveLength(31)
    expect(output).toMatch(/^2 {2}99 {2}\S+ {2}"key 9": "value 299"$/m)
  })

  it('begins where it is told to', async () => {
    expect(await json('tail', cluster, 'orders', '--from', 'earliest')).toHaveLength(300)
    expect(await json('tail', cluster, 'orders', '--from', 'latest')).toEqual([])
    expect(offsets(await json('tail', cluster, 'orders', '--from', '97', '--partition', '1'))).toEqual([97, 98, 99])
    expect(await json('tail', cluster, 'orders', '--from', '1000')).toEqual([])
  })

  it('leaves out records that were deleted', async () => {
    const directory = join(folder, 'deleted')
    await writeLog(directory, { batches: 2, size: 3 })
    writeFileSync(join(directory, 'log-start-offset-checkpoint'), '0\n1\norders 0 4\n')
    for (const from of [['--from', 'earliest'], ['--from', '1'], []])
      expect(offsets(await json('tail', directory, 'orders', ...from))).toEqual([4, 5])
  })

  it('is not alone in that: dump and topics leave them out too', async () => {
    const directory = join(folder, 'deleted')
    for (const path of [join(directory, 'orders-0'), join(directory, 'orders-0', '00000000000000000000.log')]) {
      const shown = await json('dump', path, '--records')
      expect(shown.filter(({ type }) => type === 'record').map(({ offset }) => offset)).toEqual([4, 5])
      expect(shown.filter(({ type }) => type === 'batch').map(({ isDeleted }) => isDeleted)).toEqual([true, undefined])
      expect((await millraceHere('dump', path, '--records')).output).toMatch(/^offsets 0-2 .* deleted /)
    }
    expect(await json('topics', directory)).toMatchObject([{ logStartOffset: 4, logEndOffset: 6 }])
    writeFileSync(join(directory, 'log-start-offset-checkpoint'), '0\n1\norders 0 9\n')
    expect(await json('topics', directory)).toMatchObject([{ logStartOffset: 9, logEndOffset: 9 }])
  })

  it('finds its way through segments', async () => {
    const directory = join(folder, 'segments')
    await writeLog(directory, { batches: 100, options: { segmentBytes: 1500 } })
    expect(offsets(await json('tail', directory, 'orders', '--from', '250'))).toEqual(Array.from({ length: 250 }, (_, n) => 250 + n))
  })

  it('shows nothing that is damaged', async () => {
    const path = await writeLog(join(folder, 'damaged end'), { batches: 3, size: 1 })
    const log = join(path, '00000000000000000000.log')
    const bytes = readFileSync(log)
    bytes[bytes.length - 3] ^= 1
    writeFileSync(log, bytes)
    const { code, output, errors } = await millraceHere('tail', join(folder, 'damaged end'), 'orders')
    expect(output.split('\n')).toHaveLength(3)
    expect({ code, errors }).toEqual({ code: 1, errors: expect.stringContaining('The checksum of the batch at offset 2') })
  })

  it('follows what another process writes, until it is interrupted', async () => {
    const directory = join(folder, 'followed')
    const serving = new Running(['serve', '--port', '0', '--dir', directory, '--topic', 'orders:1'])
    const [, address] = await serving.prints(/listening on (\S+)\n/)
    const tail = new Running(['tail', directory, 'orders', '--from', 'earliest', '--follow'])
    await millrace(['produce', 'orders', '--broker', address], 'one\ntwo\n')
    await tail.prints(/"two"/)
    expect(await millraceHere('verify', directory)).toMatchObject({ code: 0 })
    await millrace(['produce', 'orders', '--broker', address], 'three\n')
    await tail.prints(/"three"/)
    tail.child.kill('SIGINT')
    expect(await tail.ended).toMatchObject({ code: 0, errors: '' })
    serving.child.kill('SIGTERM')
    expect(await serving.ended).toMatchObject({ code: 0 })
  })
})
