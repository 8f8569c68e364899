/** Something that was found while looking through a data directory. */
export interface Finding {
  /** The file, relative to the directory. */
  readonly file: string
  readonly message: string
}

/** Faults and notes. At most a few faults are reported of each file. */
export class Findings {
  readonly problems: Finding[] = []
  readonly notes: Finding[] = []
  readonly #perFile = new Map<string, number>()

  problem(file: string, message: string): void {
    const count = (this.#perFile.get(file) ?? 0) + 1
    this.#perFile.set(file, count)
    if (count <= maxPerFile) this.problems.push({ file, message })
    if (count === maxPerFile + 1) this.problems.push({ file, message: 'more of the kind' })
  }

  note(file: string, message: string): void {
    this.notes.push({ file, message })
  }
}

const maxPerFile = 20
