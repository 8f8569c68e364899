import { sep } from 'node:path'
import type { DiskFile } from './disk-file.js'

/**
 * The files of a directory that are open, by the folder at its top in which they are: a thousand
 * folders may go, or get other names, one by one.
 */
export class OpenFiles implements Iterable<DiskFile> {
  readonly #directory: string
  readonly #byFolder = new Map<string, Set<DiskFile>>()

  constructor(directory: string) {
    this.#directory = directory
  }

  *[Symbol.iterator](): Iterator<DiskFile> {
    for (const files of this.#byFolder.values()) yield* files
  }

  add(file: DiskFile): void {
    const folder = this.#folderOf(file.path)
    const files = this.#byFolder.get(folder)
    if (files) files.add(file)
    else this.#byFolder.set(folder, new Set([file]))
  }

  delete(file: DiskFile): void {
    const folder = this.#folderOf(file.path)
    const files = this.#byFolder.get(folder)
    if (files?.delete(file) && files.size === 0) this.#byFolder.delete(folder)
  }

  /** The one at this path, or those in the folder at this path. */
  at(path: string): DiskFile[] {
    const files = this.#byFolder.get(this.#folderOf(path)) ?? []
    return [...files].filter(file => file.path === path || file.path.startsWith(path + sep))
  }

  /** Moves entries from one path to another. */
  move(path: string, target: string): void {
    for (const file of this.at(path)) {
      this.delete(file)
      file.path = target + file.path.slice(path.length)
      this.add(file)
    }
  }

  #folderOf(path: string): string {
    const start = this.#directory.length + 1
    const end = path.indexOf(sep, start)
    return end < 0 ? path.slice(start) : path.slice(start, end)
  }
}
