import { concatBytes } from '../common/bytes.js'
import type { Clock } from '../common/clock.js'
import { release } from '../common/lease.js'
import type { StateMachine, StateRecord } from '../common/state-machine.js'
import { turnsOf } from '../common/turns.js'
import { KafkaError } from '../errors.js'
import { historyOf, type Log } from '../log/log.js'
import { readSmallFile, replaceSmallFile } from '../log/segment/small-file.js'
import { type SnapshotControl, snapshotFooter, snapshotHeader, soleVoter } from '../metadata/snapshot-records.js'
import { BatchBuilder } from '../record/batch-builder.js'
import { type ControlType, controlTypeOf } from '../record/control-record.js'
import { batchesIn, type RecordBatch } from '../record/record-batch.js'
import type { Storage } from '../storage/storage.js'

/**
 * The offset up to which a snapshot stands for the log, and the epoch of the last record before it.
 */
const snapshotName = /^(\d{20})-(\d{10})\.checkpoint$/
const batchBytes = 256 * 1024
const readBytes = 1024 * 1024

/**
 * The snapshots beside `__cluster_metadata`, in Kafka's form: `<offset>-<epoch>.checkpoint`, made
 * of batches.
 *
 *     snapshot := header: control batch, (quorum: control batch)*, state: batch*, footer: control batch
 *
 * A log that lacks its beginning needs one: Kafka refuses the directory otherwise.
 */
export class MetadataSnapshots {
  readonly #storage: Storage
  readonly #log: Log
  readonly #clock: Clock

  constructor(storage: Storage, log: Log, clock: Clock) {
    this.#storage = storage
    this.#log = log
    this.#clock = clock
  }

  /**
   * Says of a new directory that this node alone is the quorum, as Kafka's dynamic quorum wants it.
   */
  async foundQuorum(nodeId: number, directoryId: string): Promise<void> {
    await this.#writeFile(0, 0, [], soleVoter(nodeId, directoryId))
  }

  /**
   * Replays the newest snapshot where the log lacks its beginning. Returns from which offset on the
   * log itself is to be replayed.
   */
  async replay(machine: StateMachine): Promise<number> {
    const { logStartOffset } = this.#log
    if (!this.#storage.durable || logStartOffset === 0) return logStartOffset
    const newest = await this.#newest()
    // Without one, an earlier millrace wrote the log, with its snapshots in it.
    if (newest === undefined || newest.offset < logStartOffset) return logStartOffset
    const bytes = await readSmallFile(this.#storage, newest.path)
    let isWhole = false
    for (const batch of batchesIn(bytes)) {
      batch.verify()
      for (const record of batch.records()) {
        if (batch.isControl) isWhole = controlTypeOf(record.key) === 'SNAPSHOT_FOOTER'
        else machine.replay(record)
      }
    }
    if (!isWhole) throw new KafkaError('CORRUPT_MESSAGE', `The snapshot of metadata \`${newest.path}\` is cut short; nothing was changed`)
    return newest.offset
  }

  /** True if the log lacks its beginning, and no snapshot stands for that. */
  async isMissing(): Promise<boolean> {
    const { logStartOffset } = this.#log
    return logStartOffset > 0 && ((await this.#newest())?.offset ?? -1) < logStartOffset
  }

  /**
   * Writes the state that all records before `endOffset` lead to; older snapshots go. Resolves with
   * its size in bytes.
   */
  async write(endOffset: number, records: Iterable<StateRecord>): Promise<number> {
    const older = await this.#list()
    const epoch = Math.max(0, historyOf(this.#log).leaderEpochs.epochOf(endOffset - 1))
    const size = await this.#writeFile(endOffset, epoch, records, await this.#quorum(older.at(-1)?.path))
    for (const { path, offset } of older) if (offset < endOffset) await this.#storage.remove(path)
    return size
  }

  async #writeFile(
    endOffset: number,
    leaderEpoch: number,
    records: Iterable<StateRecord>,
    quorum: readonly SnapshotControl[]
  ): Promise<number> {
    const timestamp = this.#clock.now()
    const builder = new BatchBuilder({ initialBytes: 1024 })
    const batches: Uint8Array[] = []
    let baseOffset = 0
    const add = (entries: readonly StateRecord[], control: boolean) => {
      builder.reset()
      for (const { key, value } of entries) builder.append(timestamp, key, value)
      batches.push(builder.build({ baseOffset, leaderEpoch, control }).slice())
      baseOffset += entries.length
    }
    for (const control of [snapshotHeader(timestamp), ...quorum]) add([control], true)
    let chunk: StateRecord[] = []
    let chunkBytes = 0
    for (const record of records) {
      chunk.push(record)
      chunkBytes += (record.key?.length ?? 0) + (record.value?.length ?? 0)
      if (chunkBytes < batchBytes) continue
      add(chunk, false)
      await turnsOf(this.#clock).yieldWhenOver()
      chunk = []
      chunkBytes = 0
    }
    if (chunk.length > 0) add(chunk, false)
    add([snapshotFooter()], true)
    const bytes = concatBytes(batches)
    const name = `${String(endOffset).padStart(20, '0')}-${String(leaderEpoch).padStart(10, '0')}.checkpoint`
    await replaceSmallFile(this.#storage, `${this.#log.folder}/${name}`, bytes)
    return bytes.length
  }

  /**
   * The latest words on the quorum: those of the last snapshot, and those that Kafka has written to
   * the log since.
   */
  async #quorum(snapshot: string | undefined): Promise<SnapshotControl[]> {
    const latest = new Map<ControlType, SnapshotControl>()
    const look = (batch: RecordBatch) => {
      if (!batch.isControl) return
      for (const { key, value } of batch.records()) {
        const type = controlTypeOf(key)
        if (key && value && (type === 'KRAFT_VERSION' || type === 'KRAFT_VOTERS'))
          latest.set(type, { key: key.slice(), value: value.slice() })
      }
    }
    if (snapshot !== undefined) for (const batch of batchesIn(await readSmallFile(this.#storage, snapshot))) look(batch)
    for (let offset = this.#log.logStartOffset; offset < this.#log.logEndOffset; ) {
      const bytes = await this.#log.read(offset, readBytes)
      for (const batch of batchesIn(bytes)) {
        look(batch)
        offset = batch.nextOffset
      }
      release(bytes)
    }
    return (['KRAFT_VERSION', 'KRAFT_VOTERS'] as const).flatMap(type => latest.get(type) ?? [])
  }

  async #newest(): Promise<{ readonly path: string; readonly offset: number } | undefined> {
    return (await this.#list()).filter(({ offset }) => offset <= this.#log.logEndOffset).at(-1)
  }

  /** The oldest first. */
  async #list(): Promise<{ readonly path: string; readonly offset: number }[]> {
    const { folder } = this.#log
    const found: { readonly path: string; readonly offset: number; readonly epoch: number }[] = []
    for (const name of await this.#storage.list(folder)) {
      const [, offset, epoch] = snapshotName.exec(name) ?? []
      if (offset !== undefined) found.push({ path: `${folder}/${name}`, offset: Number(offset), epoch: Number(epoch) })
    }
    return found.sort((a, b) => a.offset - b.offset || a.epoch - b.epoch)
  }
}
