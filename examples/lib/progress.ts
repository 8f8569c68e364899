/** Shows how far several things have come: bars that are redrawn in place on a terminal, a plain line at every quarter elsewhere. */
export class Progress {
  readonly #output: NodeJS.WriteStream
  readonly #steps = new Map<string, { done: number; share: number }>()
  #drawnLines = 0
  #drawnAt = 0

  constructor(output: NodeJS.WriteStream = process.stdout) {
    this.#output = output
  }

  /** `done` records of `name` have been handled, which is `share` (0 to 1) of the whole. */
  report(name: string, done: number, share: number): void {
    const before = this.#steps.get(name)?.share ?? 0
    this.#steps.set(name, { done, share })
    if (this.#output.isTTY) {
      if (performance.now() - this.#drawnAt > 50) this.#draw()
    } else if (Math.floor(share * 4) > Math.floor(before * 4)) {
      this.#output.write(`${name.padEnd(12)} ${percent(share)}  ${done.toLocaleString('en')} records\n`)
    }
  }

  /** A line of text that is to stay, above the bars. */
  note(text: string): void {
    this.#erase()
    process.stderr.write(`${text}\n`)
  }

  /** Draws the bars a last time and leaves them there; what is reported from now on starts new ones. */
  end(): void {
    if (this.#output.isTTY) this.#draw()
    this.#drawnLines = 0
    this.#steps.clear()
  }

  #draw(): void {
    this.#erase()
    for (const [name, { done, share }] of this.#steps) {
      const bar = '█'.repeat(Math.round(share * 30)).padEnd(30, '░')
      this.#output.write(`${name.padEnd(12)} ${bar} ${percent(share)}  ${done.toLocaleString('en')} records\n`)
    }
    this.#drawnLines = this.#steps.size
    this.#drawnAt = performance.now()
  }

  #erase(): void {
    if (this.#drawnLines > 0) this.#output.write(`\x1b[${this.#drawnLines}A\x1b[J`)
    this.#drawnLines = 0
  }
}

function percent(share: number): string {
  return `${Math.floor(share * 100)} %`.padStart(5)
}
