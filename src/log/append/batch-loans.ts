/** A batch whose write is under way. */
interface Loan {
  readonly start: number
  readonly end: number
  readonly written: Promise<unknown>
}

/**
 * The batches that logs are writing. A batch carries the offsets of its log until it is written, so
 * that the same bytes cannot be appended twice at a time, be it to different logs: whoever comes
 * second waits for the first.
 */
class BatchLoans {
  readonly #loans = new Map<ArrayBufferLike, Loan[]>()

  /** Notes that a log holds these bytes until `written` settles. */
  hold({ buffer, byteOffset, length }: Uint8Array, written: Promise<unknown>): void {
    const end = () => this.#end(buffer, loan)
    const loan: Loan = { start: byteOffset, end: byteOffset + length, written: written.then(end, end) }
    const others = this.#loans.get(buffer)
    if (others) others.push(loan)
    else this.#loans.set(buffer, [loan])
  }

  /**
   * Resolves when a log that holds some of these bytes has written them; undefined where none does.
   */
  holder({ buffer, byteOffset, length }: Uint8Array): Promise<unknown> | undefined {
    if (this.#loans.size === 0) return undefined
    return this.#loans.get(buffer)?.find(({ start, end }) => byteOffset < end && start < byteOffset + length)?.written
  }

  #end(buffer: ArrayBufferLike, loan: Loan): void {
    const loans = this.#loans.get(buffer) as Loan[]
    if (loans.length === 1) this.#loans.delete(buffer)
    else loans.splice(loans.indexOf(loan), 1)
  }
}

/** Shared by all logs: one buffer may go to several. */
export const batchLoans = new BatchLoans()
