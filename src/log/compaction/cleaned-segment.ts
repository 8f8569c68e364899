import { KafkaError } from '../../errors.js'
import { lastOffsetAt, maxTimestampAt } from '../../record/batch-header.js'
import type { Storage } from '../../storage/storage.js'
import type { CompleteLogOptions } from '../log-options.js'
import { pathIn } from '../segment/file-names.js'
import { Segment } from '../segment/segment.js'

/** The number of bytes per write. */
const bufferBytes = 256 * 1024
const largestFile = 2 ** 31 - 1

/**
 * A segment in the making, in a file whose name ends in `.cleaned`: what is found of it after a
 * crash is thrown away.
 */
export class CleanedSegment {
  readonly #storage: Storage
  readonly #segment: Segment
  readonly #modifiedAt: number
  readonly #buffer: Uint8Array
  #buffered = 0
  #position = 0
  #nextOffset: number

  private constructor(storage: Storage, segment: Segment, modifiedAt: number, sizeAtMost: number) {
    this.#storage = storage
    this.#segment = segment
    this.#modifiedAt = modifiedAt
    this.#nextOffset = segment.baseOffset
    this.#buffer = new Uint8Array(Math.min(bufferBytes, sizeAtMost))
  }

  /** Begins one that takes the place of `sources`. */
  static async begin(storage: Storage, folder: string, sources: readonly Segment[], options: CompleteLogOptions): Promise<CleanedSegment> {
    const [{ baseOffset, chain }] = sources
    const path = pathIn(folder, baseOffset)
    const { modifiedAt } = sources[sources.length - 1].timestamps
    await storage.remove(`${path}.log.cleaned`)
    const file = await storage.open(`${path}.log.cleaned`)
    const segment = new Segment(storage, path, baseOffset, file, options, modifiedAt, chain)
    return new CleanedSegment(
      storage,
      segment,
      modifiedAt,
      sources.reduce((bytes, source) => bytes + source.sizeInBytes, 0)
    )
  }

  /** Adds a batch; the bytes are borrowed until the promise settles. */
  async append(batch: Uint8Array): Promise<void> {
    if (this.#position + batch.length > largestFile) {
      throw new KafkaError('KAFKA_STORAGE_ERROR', `\`${this.#segment.path}.log\` does not fit one segment after it was compressed anew`)
    }
    if (this.#buffered + batch.length > this.#buffer.length) await this.#flush()
    if (batch.length > this.#buffer.length) await this.#segment.file.append(batch)
    else {
      this.#buffer.set(batch, this.#buffered)
      this.#buffered += batch.length
    }
    const lastOffset = lastOffsetAt(batch, 0)
    this.#segment.indexer.note(this.#position, lastOffset, maxTimestampAt(batch, 0), this.#modifiedAt)
    this.#position += batch.length
    this.#nextOffset = lastOffset + 1
  }

  async #flush(): Promise<void> {
    if (this.#buffered === 0) return
    const bytes = this.#buffer.subarray(0, this.#buffered)
    this.#buffered = 0
    await this.#segment.file.append(bytes)
  }

  /** The whole segment, safe on the disk but still under its own name. */
  async finish(): Promise<Segment> {
    await this.#flush()
    // A storage may have extended the file ahead of its end.
    await this.#segment.file.truncate(this.#position)
    await this.#segment.file.sync()
    this.#segment.indexer.seal()
    this.#segment.publish(this.#position, this.#nextOffset)
    return this.#segment
  }

  /** Throws it away. */
  async discard(): Promise<void> {
    await this.#segment.file.close()
    try {
      await this.#storage.remove(`${this.#segment.path}.log.cleaned`)
    } catch {
      // It is removed when the log is opened again. Why it was not finished matters more.
    }
  }
}
