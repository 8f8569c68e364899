import { type FileHandle, open, readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { basename, join } from 'node:path'

export type Row = Readonly<Record<string, unknown>>

/** The source of the records of the main job. */
export interface Input {
  readonly title: string
  /** A name for the topic that is made of them. */
  readonly topic: string
  /** The field by which they are keyed; known from the start, or once the first row has been read. */
  readonly keyField: string | undefined
  /** A numeric field to take the mean of, if there is one. */
  readonly meanField?: string
  /** The part of the whole that has been read, 0 to 1. */
  readonly share: number
  /** The records in portions, so that a large input never has to be in memory at once. */
  portions(): AsyncIterable<{ key: string; value: Row }[]>
}

const portionSize = 1000

/** 20,000 flights within the United States, January to March 2001, from the package `vega-datasets`. */
export async function flights(keyField = 'origin'): Promise<Input> {
  const main = createRequire(import.meta.url).resolve('vega-datasets')
  const rows: Row[] = JSON.parse(await readFile(join(main, '../../data/flights-20k.json'), 'utf8'))
  if (!(keyField in rows[0])) throw new Error(`The flights have no field "${keyField}", only ${Object.keys(rows[0]).join(', ')}`)
  let read = 0
  return {
    title: `${rows.length.toLocaleString('en')} flights from vega-datasets`,
    topic: 'flights',
    keyField,
    meanField: 'delay',
    get share() {
      return read / rows.length
    },
    async *portions() {
      while (read < rows.length) {
        const portion = rows.slice(read, (read += portionSize))
        yield portion.map(value => ({ key: String(value[keyField]), value }))
      }
    }
  }
}

/**
 * The lines of a file, each a JSON object, keyed by `keyField` (by default the first field of the first object). Lines that
 * cannot be used are left out and handed to `refuse`. Throws when the file cannot be opened.
 */
export async function ndjson(path: string, keyField: string | undefined, refuse: (line: number, why: string) => void): Promise<Input> {
  const file = await openFile(path)
  const { size } = await file.stat()
  let position = 0
  return {
    title: path,
    topic:
      basename(path)
        .replace(/\.[^.]*$/, '')
        .replace(/[^\w.-]/g, '-') || 'lines',
    get keyField() {
      return keyField
    },
    get share() {
      return size > 0 ? Math.min(1, position / size) : 1
    },
    async *portions() {
      let portion: { key: string; value: Row }[] = []
      let number = 0
      for await (const line of file.readLines()) {
        number++
        position += Buffer.byteLength(line) + 1
        const value = parse(number === 1 ? line.replace(/^\uFEFF/, '') : line, why => refuse(number, why))
        if (value === undefined) continue
        keyField ??= Object.keys(value)[0]
        const key = value[keyField]
        if (key === undefined || key === null) {
          refuse(number, `no field "${keyField}"`)
          continue
        }
        portion.push({ key: typeof key === 'object' ? JSON.stringify(key) : String(key), value })
        if (portion.length === portionSize) {
          yield portion
          portion = []
        }
      }
      position = size
      if (portion.length > 0) yield portion
    }
  }
}

async function openFile(path: string): Promise<FileHandle> {
  const file = await open(path).catch(error => {
    throw new Error(error.code === 'ENOENT' ? `${path}: there is no such file` : error.message)
  })
  if (!(await file.stat()).isDirectory()) return file
  await file.close()
  throw new Error(`${path}: this is a directory`)
}

function parse(line: string, refuse: (why: string) => void): Row | undefined {
  if (line.trim() === '') return undefined
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch (error) {
    refuse(`not JSON: ${(error as Error).message}`)
    return undefined
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Row
  refuse('not a JSON object')
  return undefined
}
