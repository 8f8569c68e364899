import { once } from 'node:events'
import type { Writable } from 'node:stream'

const flushAt = 64 * 1024

/** Lines to a stream, in large pieces, waiting where the reader is slow. */
export class Output {
  readonly #stream: Writable
  readonly #signal: AbortSignal
  #waiting: string[] = []
  #size = 0

  /** Once the signal has aborted, no reader is waited for. */
  constructor(stream: Writable, signal: AbortSignal) {
    this.#stream = stream
    this.#signal = signal
  }

  /** Await it when it is a promise: the reader has not kept up. */
  line(text: string): Promise<void> | undefined {
    this.#waiting.push(text)
    this.#size += text.length + 1
    return this.#size >= flushAt ? this.flush() : undefined
  }

  json(value: unknown): Promise<void> | undefined {
    return this.line(JSON.stringify(value))
  }

  /** Columns as wide as their widest cell; those that hold numbers only stand to the right. */
  async table(head: readonly string[], rows: readonly (readonly (string | number)[])[]): Promise<void> {
    const widths = head.map((title, column) => Math.max(title.length, ...rows.map(row => String(row[column]).length)))
    const isNumber = head.map((_, column) => rows.every(row => typeof row[column] === 'number' || row[column] === '-'))
    for (const row of [head, ...rows]) {
      const cells = row.map((cell, column) =>
        isNumber[column] ? String(cell).padStart(widths[column]) : String(cell).padEnd(widths[column])
      )
      await this.line(cells.join('  ').trimEnd())
    }
  }

  async flush(): Promise<void> {
    if (this.#waiting.length === 0) return
    const text = `${this.#waiting.join('\n')}\n`
    this.#waiting = []
    this.#size = 0
    if (!this.#stream.write(text) && !this.#signal.aborted) await once(this.#stream, 'drain', { signal: this.#signal })
  }
}
