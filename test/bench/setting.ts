import { mkdtempSync, rmSync } from 'node:fs'
import { join } from 'node:path'

/** How much to do, and where. */
export class Setting {
  /** 1 for the figures that count, less for a quick look, next to nothing for a smoke test. */
  readonly scale: number
  readonly #scratch: string
  readonly #folders: string[]

  constructor(scale: number, scratch: string, folders: string[] = []) {
    this.scale = scale
    this.#scratch = scratch
    this.#folders = folders
  }

  /** The same with more, or less, to do. */
  times(factor: number): Setting {
    return new Setting(this.scale * factor, this.#scratch, this.#folders)
  }

  /** A number of records: `full` at full scale, always whole thousands. */
  count(full: number): number {
    return Math.max(1000, Math.round((full * this.scale) / 1000) * 1000)
  }

  /** A number of seconds, or anything that need not be whole. */
  amount(full: number, least: number): number {
    return Math.max(least, full * this.scale)
  }

  /** A new folder on the disk that is measured. */
  folder(): string {
    const folder = mkdtempSync(join(this.#scratch, 'run-'))
    this.#folders.push(folder)
    return folder
  }

  /** The same, for what goes on until the process ends; the runner removes it. */
  lastingFolder(): string {
    return mkdtempSync(join(this.#scratch, 'run-'))
  }

  cleanUp(): void {
    for (const folder of this.#folders.splice(0)) rmSync(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}
