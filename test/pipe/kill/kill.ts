import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'rolldown'
import { Cluster } from '../../../src/cluster.js'
import { type Random, randomInteger, seededRandom } from '../../../src/common/random.js'
import { string } from '../../../src/record/serde.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { runAndKill } from '../../killed-child.js'
import { brokerConfigs, configs, groupId, partitions } from './work.js'

export interface KillPipeOptions {
  readonly records: number
  readonly kills: number
  readonly seed: number
  /**
   * The folder to work in; what is there is gone on with. Default: a new one, which is removed when
   * all is well.
   */
  readonly directory?: string | undefined
  /** Milliseconds after which no further life begins. Default: none. */
  readonly timeMs?: number | undefined
  readonly note?: (line: string) => void
}

/** The course of a run; kept beside the data, so that another run goes on with it. */
export interface KillPipeTally {
  records: number
  kills: number
  /** Kills before the first transaction of that life was committed. */
  early: number
  /** Kills of lives that had committed some. */
  midway: number
  /** Looks at what is there, between lives. */
  looks: number
  /** Records in the output that belong to aborted transactions. */
  aborted: number
  isFinished: boolean
}

const root = fileURLToPath(new URL('../../..', import.meta.url))

/**
 * The child's program as one file, which starts much sooner than its many sources. It lies where the
 * packages that it needs are found.
 */
async function bundledChild(): Promise<string> {
  const file = join(root, `test/.tmp/kill-pipe-${process.pid}/child.mjs`)
  const input = fileURLToPath(new URL('child.ts', import.meta.url))
  await build({ input, external: /^[^./]/, platform: 'node', output: { file, format: 'esm', codeSplitting: false }, logLevel: 'silent' })
  return file
}

/**
 * Has a child move records by a pipe on a disk, kills it again and again, and lets the last one
 * finish. Now and then, and in the end, looks whether the committed output is what was made of the
 * records before the committed offsets, each once and in order. Throws where it is not, and leaves
 * the directory.
 */
export async function killPipe(options: KillPipeOptions): Promise<KillPipeTally> {
  const { records, kills, seed, note = () => {}, timeMs = Number.POSITIVE_INFINITY } = options
  const parent = options.directory ?? mkdtempSync(join(tmpdir(), 'millrace-kill-pipe-'))
  const directory = join(parent, 'data')
  const course = join(parent, 'course.json')
  const random = seededRandom(seed)
  const endAt = performance.now() + timeMs
  let tally: KillPipeTally = { records, kills: 0, early: 0, midway: 0, looks: 0, aborted: 0, isFinished: false }
  if (existsSync(course)) tally = JSON.parse(readFileSync(course, 'utf8'))
  else {
    mkdirSync(parent, { recursive: true })
    await fill(directory, records)
  }
  const child = await bundledChild()
  const keep = () => writeFileSync(course, JSON.stringify(tally))
  // As much as is left is spread over the kills that are left.
  const most = Math.max(2, Math.floor((1.6 * records) / Math.max(1, kills)))
  while (tally.kills < kills && performance.now() < endAt) {
    const life = seed * 1_000_000 + tally.kills
    const moved = await live(child, directory, life, random, most)
    if (moved === undefined) break
    tally.kills++
    if (moved > 0) tally.midway++
    else tally.early++
    keep()
    if (random.next() < 0.05) {
      tally.looks++
      const seen = await look(directory)
      note(`kill ${tally.kills}: ${seen.committed} moved, ${seen.aborted} aborted`)
    }
  }
  const isLate = tally.kills < kills && performance.now() >= endAt
  if (!isLate) await live(child, directory, seed * 1_000_000 + kills, random, undefined)
  rmSync(dirname(child), { recursive: true })
  if (isLate) return tally
  const seen = await look(directory)
  if (seen.committed !== records) throw new Error(`Seed ${seed}, ${parent}: ${seen.committed} of ${records} records were moved`)
  tally.looks++
  tally.aborted = seen.aborted
  tally.isFinished = true
  keep()
  if (options.directory === undefined) rmSync(parent, { recursive: true })
  return tally
}

async function fill(directory: string, records: number): Promise<void> {
  const cluster = await Cluster.open({ storage: fileStorage(directory), configs: brokerConfigs })
  await cluster.admin().createTopics([
    { name: 'in', configs },
    { name: 'out', configs }
  ])
  const producer = cluster.producer()
  for (let first = 0; first < records; first += 20_000) {
    const count = Math.min(20_000, records - first)
    await producer.sendBatch(
      'in',
      Array.from({ length: count }, (_, i) => ({ value: String(first + i), partition: (first + i) % partitions }))
    )
  }
  await cluster.close()
}

/**
 * Runs a child until it is killed: early, or after it has moved some. Returns how many it has moved;
 * undefined where it finished.
 */
async function live(child: string, directory: string, life: number, random: Random, most: number | undefined): Promise<number | undefined> {
  const durability = (['os', 'os', 'always', 'interval'] as const)[randomInteger(random, 4)]
  const dice = random.next()
  const killAt = dice < 0.05 ? 'opening' : dice < 0.1 ? 'open' : dice < 0.15 ? 'running' : 1 + randomInteger(random, most ?? 1)
  const delayMs = random.next() * (typeof killAt === 'string' ? 30 : 5)
  const args = [child, directory, durability, String(life), most === undefined ? 'finish' : 'go']
  let moved = 0
  let last = ''
  let late: NodeJS.Timeout | undefined
  const onLine = (line: string, kill: () => void) => {
    last = line
    if (line.startsWith('moved ')) moved = Number(line.slice(6))
    if (most === undefined) return
    // A life of small transactions on a disk that is synced each time takes long.
    if (moved > 0) late ??= setTimeout(kill, 5000)
    if (line === killAt || (typeof killAt === 'number' && moved >= killAt)) setTimeout(kill, delayMs)
  }
  const { isKilled, code, complaints } = await runAndKill(args, onLine, 240_000)
  clearTimeout(late)
  if (last === 'finished' && code === 0) return undefined
  if (!isKilled) throw new Error(`Life ${life} in ${directory} ended by itself with ${code}, after "${last}": ${complaints}`)
  return moved
}

/** Compares the committed output with the committed offsets. */
async function look(directory: string): Promise<{ readonly committed: number; readonly aborted: number }> {
  const cluster = await Cluster.open({ storage: fileStorage(directory), configs: brokerConfigs })
  const offsets = await cluster.admin().listGroupOffsets(groupId)
  let committed = 0
  let aborted = 0
  for (let partition = 0; partition < partitions; partition++) {
    const offset = offsets.find(each => each.topic === 'in' && each.partition === partition)?.offset ?? 0
    const output = await read(cluster, partition, 'read_committed')
    if (output.length !== offset) throw new Error(`${directory}: partition ${partition} has ${output.length} outputs at offset ${offset}`)
    for (const [index, value] of output.entries())
      if (value !== index * partitions + partition) throw new Error(`${directory}: output ${index} of partition ${partition} is ${value}`)
    committed += offset
    aborted += (await read(cluster, partition, 'read_uncommitted')).length - offset
  }
  await cluster.close()
  return { committed, aborted }
}

async function read(cluster: Cluster, partition: number, isolationLevel: 'read_committed' | 'read_uncommitted'): Promise<number[]> {
  const { lastStableOffset, logEndOffset } = cluster.topic('out').partitions[partition]
  if (lastStableOffset !== logEndOffset) throw new Error(`A transaction is open in partition ${partition} from ${lastStableOffset} on`)
  const consumer = cluster.consumer({ isolationLevel, value: string, autoOffsetReset: 'earliest' })
  consumer.assign([{ topic: 'out', partition }])
  await consumer.start()
  const values: number[] = []
  // Markers and aborted records are passed over without a word: the end is looked at now and then.
  const ending = setInterval(() => {
    if ((consumer.position({ topic: 'out', partition }) ?? 0) >= logEndOffset) void consumer.close()
  }, 5)
  for await (const batch of consumer.batches()) {
    for (const cursor = batch.cursor(); cursor.next(); ) values.push(Number(cursor.value()))
  }
  clearInterval(ending)
  return values
}
