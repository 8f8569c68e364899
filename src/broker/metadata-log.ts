import type { Clock } from '../common/clock.js'
import { release } from '../common/lease.js'
import { Log } from '../log/log.js'
import { decodeMetadataRecord, encodeMetadataRecord, type MetadataRecord } from '../metadata/records.js'
import { clusterMetadataTopic } from '../metadata/topic-name.js'
import { BatchBuilder } from '../record/batch-builder.js'
import { batchesIn } from '../record/record-batch.js'
import type { Storage } from '../storage/storage.js'

const readBytes = 1024 * 1024
/** Large enough for the records of any one decision, which go into one batch so that they hold together. */
const segmentBytes = 8 * 1024 * 1024
const snapshotBatchBytes = 256 * 1024
/** How much is written before the state is written anew and what is older is forgotten; more where the state itself is larger. */
const snapshotIntervalBytes = 1024 * 1024

/** What the metadata log keeps: a state that is changed by replaying records, and can be written as records again. */
export interface Replayed {
  replay(record: MetadataRecord): void
  snapshot(): Iterable<MetadataRecord>
}

/** `__cluster_metadata-0`: the one place where topics and configs are kept. */
export class MetadataLog {
  readonly #log: Log
  readonly #state: Replayed
  readonly #clock: Clock
  readonly #snapshotIntervalBytes: number
  readonly #builder = new BatchBuilder({ initialBytes: 4096 })
  #bytesSinceSnapshot = 0
  #snapshotBytes = 0

  private constructor(log: Log, state: Replayed, clock: Clock, intervalBytes: number) {
    this.#log = log
    this.#state = state
    this.#clock = clock
    this.#snapshotIntervalBytes = intervalBytes
  }

  /** Opens the log and brings `state` to where it was. */
  static async open(storage: Storage, state: Replayed, clock: Clock, intervalBytes = snapshotIntervalBytes): Promise<MetadataLog> {
    const log = await Log.open(storage, `${clusterMetadataTopic}-0`, {
      clock,
      segmentBytes,
      maxMessageBytes: segmentBytes,
      retentionBytes: -1,
      retentionMs: -1,
      segmentMs: Number.MAX_SAFE_INTEGER
    })
    const metadataLog = new MetadataLog(log, state, clock, intervalBytes)
    await metadataLog.#replayAll()
    return metadataLog
  }

  get sizeInBytes(): number {
    return this.#log.sizeInBytes
  }

  get isEmpty(): boolean {
    return this.#log.logEndOffset === 0
  }

  /** Writes the records in one batch, so that they count all or not at all, and then replays them. One at a time. */
  async write(records: readonly MetadataRecord[]): Promise<void> {
    if (records.length === 0) return
    for (const record of records) this.#add(record)
    await this.#append()
    for (const record of records) this.#state.replay(record)
    if (this.#bytesSinceSnapshot > Math.max(this.#snapshotIntervalBytes, 4 * this.#snapshotBytes)) await this.#writeSnapshot()
  }

  async close(): Promise<void> {
    await this.#log.close()
  }

  async #replayAll(): Promise<void> {
    for (let offset = this.#log.logStartOffset; offset < this.#log.logEndOffset; ) {
      const bytes = await this.#log.read(offset, readBytes)
      for (const batch of batchesIn(bytes)) {
        for (const { offset: at, value } of batch.records()) if (at >= offset && value) this.#state.replay(decodeMetadataRecord(value))
        offset = batch.nextOffset
      }
      release(bytes)
    }
    this.#bytesSinceSnapshot = this.#log.sizeInBytes
  }

  async #writeSnapshot(): Promise<void> {
    const start = this.#log.logEndOffset
    this.#bytesSinceSnapshot = 0
    for (const record of this.#state.snapshot()) {
      this.#add(record)
      if (this.#builder.sizeInBytes > snapshotBatchBytes) await this.#append()
    }
    if (this.#builder.recordCount > 0) await this.#append()
    this.#snapshotBytes = this.#bytesSinceSnapshot
    this.#bytesSinceSnapshot = 0
    this.#log.deleteRecordsBefore(start)
  }

  #add(record: MetadataRecord): void {
    this.#builder.append(this.#clock.now(), null, encodeMetadataRecord(record))
  }

  async #append(): Promise<void> {
    try {
      const batch = this.#builder.build()
      this.#bytesSinceSnapshot += batch.length
      await this.#log.append(batch, { origin: 'coordinator' })
    } finally {
      this.#builder.reset()
    }
  }
}
