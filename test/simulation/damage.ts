import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { verifyDirectory } from '../../src/cli/verify/verify-directory.js'
import { Cluster } from '../../src/cluster.js'
import { type Random, randomInteger, seededRandom } from '../../src/common/random.js'
import { KafkaError } from '../../src/errors.js'
import type { Log } from '../../src/log/log.js'
import { OffsetCommit } from '../../src/protocol/messages/offset-commit.js'
import { OffsetFetch } from '../../src/protocol/messages/offset-fetch.js'
import { batchesIn } from '../../src/record/record-batch.js'
import type { Storage } from '../../src/storage/storage.js'
import { SimulatedDisk } from '../../src/testing/simulated-disk.js'
import { VirtualClock } from '../../src/testing/virtual-clock.js'
import { readAll } from './check.js'
import { settled } from './life.js'
import { type Found, Violation } from './model.js'

/** A directory as it stands on the disk, and what is in it. */
export interface Directory {
  readonly files: ReadonlyMap<string, Uint8Array>
  readonly records: ReadonlyMap<string, readonly Found[]>
  readonly committed: number
  readonly isClean: boolean
}

/** One thing that is wrong with a directory. */
export interface Damage {
  readonly file: string
  readonly what: string
  /** The file with it; undefined when the file is gone. */
  readonly bytes: Uint8Array | undefined
  /** Which byte was changed. */
  readonly position?: number
}

/** How a directory with some damage was met. */
export type Outcome =
  | 'told by verify alone'
  | 'cannot be told'
  | 'unharmed'
  | 'cut and reported'
  | 'partition stopped'
  | 'reading refused'
  | 'set aside'
  | 'not opened'

const start = Date.UTC(2024, 0, 1)
const configs = { 'offsets.topic.num.partitions': 1, 'auto.create.topics.enable': false }

/** A small directory with a bit of everything: closed in order, or left by a crash. */
export async function smallDirectory(isClean: boolean): Promise<Directory> {
  const disk = new SimulatedDisk({ random: seededRandom(1) })
  const clock = new VirtualClock(start)
  const cluster = await opened(disk.mount(), clock)
  const records = new Map<string, Found[]>()
  const admin = cluster.admin()
  const small = { 'segment.bytes': '500', 'index.interval.bytes': '100', 'retention.ms': '-1' }
  await done(clock, admin.createTopic({ name: 'orders', partitions: 2, configs: small }))
  await done(clock, admin.createTopic({ name: 'users', partitions: 1, configs: { ...small, 'cleanup.policy': 'compact' } }))
  const producer = cluster.producer({ batchSize: 150 })
  let id = 0
  for (const [topic, partition, count] of [
    ['orders', 0, 18],
    ['orders', 1, 3],
    ['users', 0, 8],
    ['orders', 0, 4]
  ] as const) {
    for (let i = 0; i < count; i++) {
      const record = { key: `k${id}`, value: `value ${id}`, timestamp: start + 1000 * id }
      const sent = await done(clock, producer.send(topic, { ...record, partition, headers: { id: String(id) } }))
      const place = `${topic}-${partition}`
      records.set(place, [...(records.get(place) ?? []), { ...record, offset: sent.offset, id }])
      id++
    }
  }
  await done(clock, admin.deleteRecords([{ topic: 'orders', partition: 0, before: 2 }]))
  records.set('orders-0', (records.get('orders-0') ?? []).slice(2))
  for (let offset = 1; offset <= 3; offset++) await done(clock, commit(cluster, offset))
  await clock.advance(120_000)
  if (isClean) await done(clock, cluster.close())
  else disk.crash('process')
  const files = new Map(Object.keys(disk.files()).map(name => [name, disk.content(name) as Uint8Array]))
  return { files, records, committed: 3, isClean }
}

/** Every byte with one of its bits flipped: every `stride`th, that is, beginning at one chosen by chance. */
export function* flips({ files }: Directory, stride: number, random: Random): Iterable<Damage> {
  let next = randomInteger(random, stride)
  for (const [file, content] of files) {
    for (; next < content.length; next += stride) {
      const bit = randomInteger(random, 8)
      const bytes = content.slice()
      bytes[next] ^= 1 << bit
      yield { file, what: `bit ${bit} of byte ${next} flipped`, bytes, position: next }
    }
    next -= content.length
  }
}

/** Every file cut at every length, and gone: every `stride`th of these. */
export function* cuts({ files }: Directory, stride: number, random: Random): Iterable<Damage> {
  let next = randomInteger(random, stride)
  for (const [file, content] of files) {
    for (; next < content.length; next += stride) yield { file, what: `cut to ${next} bytes`, bytes: content.slice(0, next) }
    next -= content.length
    yield { file, what: 'gone', bytes: undefined }
  }
}

/** Opens the directory with the damage and reads everything. Throws a `Violation` unless the outcome is a clear one. */
export async function meet(directory: Directory, damage: Damage): Promise<Outcome> {
  try {
    return await new Meeting(directory, damage).run()
  } catch (error) {
    if (error instanceof Violation && isLikeCompaction(directory, damage))
      return (await isToldByVerify(directory, damage)) ? 'told by verify alone' : 'cannot be told'
    const reason = error instanceof Violation ? error.message : (error as Error).stack
    throw new Violation(`${damage.file}, ${damage.what}: ${reason}`, { cause: error })
  }
}

/**
 * Compaction leaves gaps between offsets, so where a topic is compacted some damage looks like one: a base offset, which is not under the checksum of its
 * batch, that is too high; a segment between others that is gone; one that ends too early, between two batches.
 */
function isLikeCompaction({ files }: Directory, { file, bytes, position }: Damage): boolean {
  if (!file.startsWith('users-0/') || !file.endsWith('.log')) return false
  if (position === undefined) return bytes === undefined || endsWithBatch(bytes)
  let start = 0
  for (const { sizeInBytes } of batchesIn(files.get(file) as Uint8Array)) {
    const place = position - start
    if (place >= 0 && place < 8) return true
    start += sizeInBytes
  }
  return false
}

async function isToldByVerify({ files }: Directory, damage: Damage): Promise<boolean> {
  const path = mkdtempSync(join(tmpdir(), 'millrace-damage-'))
  try {
    for (const [name, content] of [...files, [damage.file, damage.bytes] as const]) {
      mkdirSync(dirname(join(path, name)), { recursive: true })
      if (content) writeFileSync(join(path, name), content)
      else rmSync(join(path, name))
    }
    const { problems, notes } = await verifyDirectory(path, { patienceMs: 0 })
    return problems.length + notes.length > 0
  } finally {
    rmSync(path, { recursive: true })
  }
}

class Meeting {
  readonly #directory: Directory
  readonly #damage: Damage
  readonly #clock = new VirtualClock(start + 1_000_000)
  readonly #reports: string[] = []
  readonly #outcomes = new Set<Outcome>()

  constructor(directory: Directory, damage: Damage) {
    this.#directory = directory
    this.#damage = damage
  }

  async run(): Promise<Outcome> {
    const disk = new SimulatedDisk({ random: seededRandom(2) })
    for (const [name, content] of this.#directory.files) if (name !== this.#damage.file) disk.put(name, content)
    if (this.#damage.bytes) disk.put(this.#damage.file, this.#damage.bytes)
    const cluster = await this.#open(disk.mount())
    if (!cluster) return 'not opened'
    await this.#clock.advance(10)
    for (const place of this.#directory.records.keys()) await this.#checkPartition(cluster, place)
    await this.#checkCommits(cluster)
    await done(this.#clock, cluster.close())
    return [...this.#outcomes][0] ?? 'unharmed'
  }

  /** Only where nothing can be known without the file that is damaged may the cluster refuse to open. */
  async #open(storage: Storage): Promise<Cluster | undefined> {
    try {
      return await opened(storage, this.#clock, cluster => this.#listen(cluster))
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      if (/^(meta\.properties|recovery-point-offset-checkpoint|__cluster_metadata-0\/.*)$/.test(this.#damage.file)) return undefined
      throw new Violation(`the cluster does not open: ${error.stack}`)
    }
  }

  #listen(cluster: Cluster): void {
    cluster.on('tornTail', ({ topic, partition }) => this.#reports.push(`tornTail ${topic}-${partition}`))
    cluster.on('partitionStopped', ({ topic, partition }) => this.#reports.push(`partitionStopped ${topic}-${partition}`))
    cluster.on('straySetAside', ({ folder }) => this.#reports.push(`straySetAside ${folder}`))
    cluster.on('error', ({ during }) => this.#reports.push(`error during ${during}`))
  }

  async #checkPartition(cluster: Cluster, place: string): Promise<void> {
    const dash = place.lastIndexOf('-')
    const topic = cluster.topics.get(place.slice(0, dash))
    const log = topic?.partitions[Number(place.slice(dash + 1))]?.log
    const isConcerned = this.#damage.file.startsWith(`${place}/`) || !this.#damage.file.includes('/')
    const isMetadata = this.#damage.file.startsWith('__cluster_metadata-0/')
    if (!log) {
      if (!isMetadata || !(this.#isReported('__cluster_metadata-0') || this.#isReported(place)))
        throw new Violation(`${place} is not there`)
      this.#outcomes.add('cut and reported')
      return
    }
    if (log.failure) {
      if (!isConcerned) throw new Violation(`${place} is stopped: ${log.failure.message}`)
      if (!this.#reports.includes(`partitionStopped ${place}`))
        throw new Violation(`${place} is stopped, and nobody was told: ${this.#reports}`)
      this.#outcomes.add('partition stopped')
      return
    }
    const expected = this.#directory.records.get(place) ?? []
    const found = await this.#read(log, isConcerned)
    if (!found) return
    const byOffset = new Map(expected.map(record => [record.offset, record]))
    for (const { offset, id, key, value } of found) {
      const record = byOffset.get(offset)
      // Where records begin that were deleted is only in a checkpoint.
      if (!record && offset < (expected[0]?.offset ?? 0)) continue
      if (!record || record.id !== id || record.key !== key || record.value !== value)
        throw new Violation(`${place}: the record at ${offset} is ${id}, ${key}, ${value} instead of ${JSON.stringify(record)}`)
      byOffset.delete(offset)
    }
    const isDeleted = this.#damage.file === 'log-start-offset-checkpoint' ? log.logStartOffset : 0
    for (const offset of byOffset.keys()) {
      if (offset < isDeleted) continue
      if (this.#isAsAfterRetention || this.#isAsBeforeWriting) continue
      if (!isConcerned || !this.#isReported(place)) throw new Violation(`${place}: the record at ${offset} is missing, and nobody was told`)
      this.#outcomes.add(this.#reports.some(report => report.startsWith('straySetAside')) ? 'set aside' : 'cut and reported')
    }
    if (byOffset.size === 0) await this.#lookUp(place, log, expected)
  }

  async #read(log: Log, isConcerned: boolean): Promise<Found[] | undefined> {
    try {
      return await done(this.#clock, readAll(log, 300))
    } catch (error) {
      if (!(error instanceof KafkaError) || !isConcerned) throw error
      this.#outcomes.add('reading refused')
      return undefined
    }
  }

  /** Finds each record by its offset and by its timestamp. */
  async #lookUp(place: string, log: Log, expected: readonly Found[]): Promise<void> {
    for (const { offset, timestamp } of expected) {
      try {
        const [first] = batchesIn(await done(this.#clock, Promise.resolve(log.read(offset, 10))))
        if (!first || first.baseOffset > offset || first.lastOffset < offset)
          throw new Violation(`${place}: reading at ${offset} begins at ${first?.baseOffset}`)
        const found = await done(this.#clock, log.offsetForTimestamp(timestamp))
        if (found?.offset !== offset)
          throw new Violation(`${place}: the record of ${timestamp} is looked for at ${found?.offset} instead of ${offset}`)
      } catch (error) {
        if (!(error instanceof KafkaError) || !this.#damage.file.startsWith(`${place}/`)) throw error
        this.#outcomes.add('reading refused')
        return
      }
    }
  }

  async #checkCommits(cluster: Cluster): Promise<void> {
    const isConcerned = this.#damage.file.startsWith('__c') || !this.#damage.file.includes('/')
    const wanted = [{ groupId: 'analytics', topics: [{ name: 'orders', partitionIndexes: [0] }] }]
    const { groups = [] } = await done(this.#clock, Promise.resolve(clientOf(cluster).request(OffsetFetch, { groups: wanted })))
    const { errorCode, topics } = groups[0]
    const found = topics[0]?.partitions[0]
    const number = errorCode || found?.errorCode
    if (number) {
      if (!isConcerned) throw new Violation(`the committed offset is refused with ${number}`)
      this.#outcomes.add('reading refused')
      return
    }
    if (found?.committedOffset === this.#directory.committed || (isConcerned && this.#isAsBeforeWriting)) return
    if (isConcerned && (this.#isReported('__consumer_offsets-0') || this.#isReported('__cluster_metadata-0'))) return
    throw new Violation(`${found?.committedOffset} is committed instead of ${this.#directory.committed}, and nobody was told`)
  }

  /** A first segment that is gone, others being there, looks like one that was too old. */
  get #isAsAfterRetention(): boolean {
    const segments = this.#segmentsBeside()
    return this.#damage.bytes === undefined && segments.length > 1 && segments[0] === this.#damage.file
  }

  /** A last segment that after a crash is gone, or cut between two batches, looks like one that had not been begun, or had no more. */
  get #isAsBeforeWriting(): boolean {
    const { file, bytes } = this.#damage
    if (this.#directory.isClean || this.#damage.position !== undefined || this.#segmentsBeside().at(-1) !== file) return false
    return bytes === undefined || endsWithBatch(bytes)
  }

  #segmentsBeside(): string[] {
    const folder = this.#damage.file.slice(0, this.#damage.file.lastIndexOf('/') + 1)
    return [...this.#directory.files.keys()].filter(name => name.startsWith(folder) && name.endsWith('.log')).sort()
  }

  #isReported(place: string): boolean {
    return this.#reports.some(report => report === `tornTail ${place}` || report.startsWith(`straySetAside ${place}`))
  }
}

/** Zeros may follow: a file may have been made longer ahead of its end, and so begins every base offset. */
function endsWithBatch(bytes: Uint8Array): boolean {
  let end = 0
  for (const batch of batchesIn(bytes)) end += batch.sizeInBytes
  return bytes.subarray(end).every(byte => byte === 0)
}

function clientOf(cluster: Cluster) {
  return (cluster.node as NonNullable<Cluster['node']>).connect({ clientId: 'damage' })
}

async function commit(cluster: Cluster, offset: number): Promise<void> {
  const partitions = [{ partitionIndex: 0, committedOffset: offset, committedMetadata: null }]
  await clientOf(cluster).request(OffsetCommit, { groupId: 'analytics', memberId: '', topics: [{ name: 'orders', partitions }] })
}

/** `listen` is called before the events of the opening are told. */
function opened(storage: Storage, clock: VirtualClock, listen: (cluster: Cluster) => void = () => {}): Promise<Cluster> {
  const opening = Cluster.open({ storage, clock, random: seededRandom(3), configs }).then(cluster => {
    listen(cluster)
    return cluster
  })
  return done(clock, opening)
}

/** What a promise comes to, as time passes. */
async function done<T>(clock: VirtualClock, promise: Promise<T>): Promise<T> {
  if (!(await settled(clock, [promise], () => false))) throw new Violation('it never ends')
  return promise
}
