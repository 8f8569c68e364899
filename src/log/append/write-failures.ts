import { KafkaError } from '../../errors.js'
import { isLackOfRoom } from '../lack-of-room.js'

/** The failures of writes to a log. */
export class WriteFailures {
  /** The reason why the log takes no more writes, if that is so. */
  final: KafkaError | undefined
  /**
   * The reason why the last write failed, where there was only no room for it: what it has left
   * must be cut away before the next.
   */
  lackOfRoom: KafkaError | undefined
  /** With what all writes fail until one succeeds: there is no room. */
  #shortage: KafkaError | undefined
  readonly #folder: string
  readonly #onRoom: (() => void) | undefined
  readonly #onFailure: ((failure: KafkaError) => void) | undefined

  /**
   * `onFailure` is told of a final failure that nobody waits for, `onRoom` of the first write that
   * succeeds where there was no room before.
   */
  constructor(folder: string, onFailure?: (failure: KafkaError) => void, onRoom?: () => void) {
    this.#onRoom = onRoom
    this.#folder = folder
    this.#onFailure = onFailure
  }

  get last(): KafkaError | undefined {
    return this.final ?? this.lackOfRoom
  }

  /**
   * A write failed. Where there was no room, only this one has, and the next may succeed; anything
   * else ends the writing.
   */
  readonly ofWrite = (cause: unknown): KafkaError => {
    if (this.final || !isLackOfRoom(cause)) return this.end(cause)
    const message = `There was no room for a write to the log \`${this.#folder}\`: ${reasonOf(cause)}`
    this.#shortage ??= new KafkaError('KAFKA_STORAGE_ERROR', message, { cause })
    this.lackOfRoom ??= this.#shortage
    return this.lackOfRoom
  }

  /** A write has succeeded. */
  succeeded(): void {
    if (this.#shortage === undefined) return
    this.#shortage = undefined
    this.#onRoom?.()
  }

  /** Something failed that nobody waits for. */
  readonly behind = (cause: unknown): void => {
    const failure = this.end(cause)
    this.#onFailure?.(failure)
  }

  /** Ends the writing for good. */
  end(cause: unknown): KafkaError {
    const message = `The log \`${this.#folder}\` takes no more writes since one failed: ${reasonOf(cause)}`
    this.final ??= new KafkaError('KAFKA_STORAGE_ERROR', message, { cause })
    return this.final
  }
}

export function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause)
}
