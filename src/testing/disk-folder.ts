import { type Random, randomInteger } from '../common/random.js'
import { DiskContent } from './disk-content.js'

type Entry = DiskContent | DiskFolder

/**
 * One change to the names of a folder; a rename within it takes one away and adds one, both or
 * neither.
 */
interface NameChange {
  readonly removed?: string
  readonly added?: readonly [name: string, entry: Entry]
}

/**
 * A folder of a simulated disk: its names as processes see them, and as they are known to survive a
 * power cut.
 */
export class DiskFolder {
  #entries = new Map<string, Entry>()
  #durable = new Map<string, Entry>()
  #unsynced: NameChange[] = []

  get names(): string[] {
    return [...this.#entries.keys()]
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  entry(name: string): Entry | undefined {
    return this.#entries.get(name)
  }

  folder(name: string): DiskFolder | undefined {
    const entry = this.#entries.get(name)
    return entry instanceof DiskFolder ? entry : undefined
  }

  set(name: string, entry: Entry): void {
    this.#change({ added: [name, entry] })
  }

  delete(name: string): void {
    this.#change({ removed: name })
  }

  rename(from: string, to: string): void {
    this.#change({ removed: from, added: [to, this.#entries.get(from) as Entry] })
  }

  /**
   * Makes the names durable; what is in the files, and the names in folders within, are not
   * concerned.
   */
  sync(): void {
    this.#durable = new Map(this.#entries)
    this.#unsynced = []
  }

  /** Every file in it and below, with its path. */
  *files(prefix = ''): Iterable<readonly [path: string, content: DiskContent]> {
    for (const [name, entry] of this.#entries) {
      if (entry instanceof DiskContent) yield [prefix + name, entry]
      else yield* entry.files(`${prefix}${name}/`)
    }
  }

  loseProcess(): void {
    for (const [, content] of this.files()) content.loseProcess()
  }

  /**
   * Of the changes that were not synced the first few have reached the disk, for a journal keeps
   * their order.
   */
  losePower(random: Random): void {
    const survivors = new Map(this.#durable)
    const count = this.#unsynced.length > 0 ? randomInteger(random, this.#unsynced.length + 1) : 0
    for (const change of this.#unsynced.slice(0, count)) apply(survivors, change)
    this.#entries = survivors
    this.sync()
    for (const entry of new Set(survivors.values())) entry.losePower(random)
  }

  #change(change: NameChange): void {
    apply(this.#entries, change)
    this.#unsynced.push(change)
  }
}

function apply(names: Map<string, Entry>, { removed, added }: NameChange): void {
  if (removed !== undefined) names.delete(removed)
  if (added) names.set(...added)
}
