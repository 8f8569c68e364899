import { readFileSync } from 'node:fs'
import type { CompressionType } from 'millrace'
import { type Contestant, Missing, type Work } from '../contest.js'
import type { BlockCodec } from '../peers/codecs.js'
import { BatchBuilder, Cluster, string, topic } from '../peers/millrace.js'
import type { Setting } from '../setting.js'
import { stalls } from '../stalls.js'

type Json = Readonly<Record<string, unknown>>

/** Real JSON, a thousand records or a few: flights of 90 bytes each, and films of 400. */
const dataSets = {
  flights: { file: 'flights-20k.json', key: 'origin' },
  films: { file: 'movies.json', key: 'Distributor' }
} as const
type DataSet = keyof typeof dataSets

function recordsOf(dataSet: DataSet): { key: string; value: string }[] {
  const { file, key } = dataSets[dataSet]
  const url = new URL(`../../../../../node_modules/vega-datasets/data/${file}`, import.meta.url)
  const all = (JSON.parse(readFileSync(url, 'utf8')) as Json[]).map(each => ({ key: String(each[key]), value: JSON.stringify(each) }))
  return all.slice(0, all.length - (all.length % 1000))
}

/** What a batch of a producer holds by default. */
const blockBytes = 64 * 1024
const headerBytes = 61

/** The records as a producer packs them, in batches, before compression. */
function blocks(dataSet: DataSet): Uint8Array[] {
  const builder = new BatchBuilder()
  const blocks: Uint8Array[] = []
  for (const { key, value } of recordsOf(dataSet)) {
    builder.append(1_700_000_000_000, key, value)
    if (builder.sizeInBytes < blockBytes) continue
    blocks.push(builder.build().slice(headerBytes))
    builder.reset()
  }
  return blocks
}

/** The codec by itself, block by block. */
async function codecAlone(load: () => Promise<BlockCodec>, dataSet: DataSet, setting: Setting) {
  const codec = await load()
  const plain = blocks(dataSet)
  const times = Math.max(1, Math.round(40 * setting.scale))
  let [plainBytes, packedBytes, packing, unpacking] = [0, 0, 0, 0]
  for (let time = 0; time < times; time++) {
    const started = performance.now()
    const packed = plain.map(block => codec.compress(block))
    const middle = performance.now()
    let size = 0
    for (const block of packed) size += codec.decompress(block).length
    unpacking += performance.now() - middle
    packing += middle - started
    const expected = plain.reduce((sum, block) => sum + block.length, 0)
    if (size !== expected) throw new Error(`${expected} bytes became ${size}`)
    if (time === 0 && Buffer.compare(codec.decompress(codec.compress(plain[0])), plain[0]) !== 0) throw new Error('The bytes changed')
    plainBytes += size
    packedBytes += packed.reduce((sum, block) => sum + block.length, 0)
  }
  const rate = (milliseconds: number) => plainBytes / milliseconds / 1000
  return { both: rate(packing + unpacking), compress: rate(packing), decompress: rate(unpacking), ratio: plainBytes / packedBytes }
}

/** The same records through a producer, a log in memory and a consumer group. */
async function throughBus(compression: CompressionType, dataSet: DataSet, setting: Setting) {
  const records = await stalls.aside(() => recordsOf(dataSet))
  const window = 1000
  const bytesOnce = records.reduce((sum, { key, value }) => sum + key.length + value.length + 8, 0)
  const times = Math.max(1, Math.round((100_000_000 * setting.scale) / bytesOnce))
  const [count, bytes] = [records.length * times, bytesOnce * times]
  const target = topic('flights', { key: string, value: string, partitions: 1 })
  const cluster = await Cluster.open()
  await cluster.admin().createTopics([target])
  const producer = await producerWith(cluster, compression)
  const consumer = cluster.consumer({ groupId: 'flights', topics: [target], autoOffsetReset: 'earliest' })
  await consumer.start()
  const inbox = { seen: 0 }
  let keptBytes = 0
  let keptRecords = 0
  producer.on('delivered', ({ recordCount }) => (keptRecords += recordCount))
  const started = performance.now()
  const reading = (async () => {
    for await (const batch of consumer.batches()) {
      for (const { value } of batch) {
        if (value.length !== records[inbox.seen % records.length].value.length) throw new Error(`Record ${inbox.seen} is \`${value}\``)
        inbox.seen++
      }
      if (inbox.seen === count) return
    }
  })()
  for (let sent = 0; sent < count; sent += window) {
    await producer.sendBatch(target, records.slice(sent % records.length, (sent % records.length) + window))
  }
  await reading
  const elapsed = performance.now() - started
  keptBytes = cluster.topic('flights').partitions[0].log.sizeInBytes
  const { logStartOffset } = cluster.topic('flights').partitions[0].log
  await cluster.close()
  return { both: bytes / elapsed / 1000, ratio: (bytes / count) * ((keptRecords - logStartOffset) / keptBytes) }
}

async function producerWith(cluster: Awaited<ReturnType<typeof Cluster.open>>, compression: CompressionType) {
  try {
    return cluster.producer({ compression })
  } catch {
    await cluster.close()
    throw new Missing(`Node ${process.version} has no ${compression}`)
  }
}

const types = ['gzip', 'snappy', 'lz4', 'zstd'] as const
const alone = (name: string, role: Contestant['role'], load: () => Promise<BlockCodec>, dataSet: DataSet = 'flights'): Contestant => ({
  name,
  role,
  family: dataSet,
  // Nothing else is to be done meanwhile, so that it holds up nobody.
  run: setting => stalls.aside(() => codecAlone(load, dataSet, setting))
})
const peer = (name: string, which: 'zlib' | 'pako' | 'lz4js' | 'snappyjs') =>
  alone(name, 'peer', async () => (await import('../peers/codecs.js'))[which]())

export const codecs: Work = {
  name: 'codecs',
  title: 'Compression of real JSON',
  about:
    'Flights of 90 bytes each and films of 400 (vega-datasets) as JSON, in batches of 64 KiB. `both` is MB of uncompressed bytes a second, for compressing and decompressing one after the other, or, with “bus”, from sendBatch to the records read by a group.',
  metrics: [
    { name: 'both', title: 'both', unit: 'MB/s', better: 'more' },
    { name: 'compress', title: 'compress', unit: 'MB/s', better: 'more' },
    { name: 'decompress', title: 'decompress', unit: 'MB/s', better: 'more' },
    { name: 'ratio', title: 'ratio', unit: '×', better: 'more' }
  ],
  contestants: [
    ...(['flights', 'films'] as const).flatMap(dataSet => [
      ...(['none', ...types] as const).map(type => ({
        name: `millrace: bus, ${dataSet}, ${type}`,
        role: 'us' as const,
        family: dataSet,
        run: (setting: Setting) => throughBus(type, dataSet, setting)
      })),
      ...types.map(type =>
        alone(`millrace: ${dataSet}, ${type}`, 'us', async () => (await import('../peers/codecs.js')).ours(type), dataSet)
      )
    ]),
    peer('node:zlib gzip', 'zlib'),
    peer('pako gzip', 'pako'),
    peer('lz4js, as documented', 'lz4js'),
    peer('snappyjs', 'snappyjs')
  ],
  goals: [
    { row: 'millrace: flights, gzip', metric: 'both', of: 'node:zlib gzip', atLeast: 0.9 },
    { row: 'millrace: flights, lz4', metric: 'decompress', of: 'lz4js, as documented', atLeast: 5 },
    ...(['flights', 'films'] as const).flatMap(dataSet =>
      types.map(type => ({ row: `millrace: bus, ${dataSet}, ${type}`, metric: 'both', of: `millrace: ${dataSet}, ${type}`, atLeast: 0.8 }))
    )
  ]
}
