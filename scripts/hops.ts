/**
 * Counts the functions that a record and a request pass: `npm run hops`. It stops at a few places
 * on the way, such as the append to the file of the storage, and reads the stack there. Functions
 * of `src` that stand on one of these stacks are hops. `--list` names them, `--src` takes another
 * source tree.
 */
import { existsSync } from 'node:fs'
import { Socket } from 'node:net'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parseArgs } from 'node:util'
import type { Storage, StorageFile } from '../src/storage/storage.js'

const { values } = parseArgs({ options: { list: { type: 'boolean', default: false }, src: { type: 'string', default: 'src' } } })
const src = resolve(values.src)
Error.stackTraceLimit = 100

/** A module of the source tree, at the first of these paths where there is one. */
async function load<M>(...paths: string[]): Promise<M> {
  const found = paths.find(path => existsSync(join(src, path)))
  if (found === undefined) throw new Error(`None of ${paths.join(', ')} is in ${src}`)
  return import(pathToFileURL(join(src, found)).href)
}

/** The hops of one way, in the order in which they were met. */
class Way {
  readonly name: string
  readonly #hops = new Map<string, string>()
  isOpen = false

  constructor(name: string) {
    this.name = name
  }

  /** Notes the functions on the stack, the outermost first. */
  note(last?: string): void {
    if (!this.isOpen) return
    const frames = (new Error().stack ?? '').split('\n').slice(2).reverse()
    // The client of the same process is another's way.
    if (this === asking && frames.some(frame => frame.includes('/wire/connection.ts'))) return
    for (const frame of frames) {
      const [, name = '(anonymous)', file, line] = /at (?:async )?(?:(.+?) )?\(?(?:file:\/\/)?(\/[^:]+):(\d+):\d+\)?$/.exec(frame) ?? []
      if (!file?.startsWith(`${src}/`)) continue
      const hop = `${file.slice(src.length + 1)} ${name.replace(/ \[as \w+\]$/, '')}`
      // Two closures of one file are two hops.
      this.#hops.set(name.includes('anonymous') || name.includes('<') ? `${hop}:${line}` : hop, hop)
    }
    if (last) this.#hops.set(last, last)
  }

  tell(): void {
    console.log(
      `${this.name}: ${this.#hops.size} functions in ${new Set([...this.#hops.values()].map(hop => hop.split(' ')[0])).size} files`
    )
    if (values.list) for (const hop of this.#hops.values()) console.log(`  ${hop}`)
  }
}

const [sending, reading, asking] = [new Way('send → storage'), new Way('storage → for await'), new Way('socket → handler → socket')]

type Methods = { [name: string]: (this: unknown, ...args: unknown[]) => unknown }

/**
 * Stops at each call of a method, which `file` of the source tree has; a hop as well, where that
 * is given.
 */
function watch(owner: { name: string; prototype: object }, method: string, file: string | undefined, ...ways: Way[]): void {
  const methods = owner.prototype as Methods
  const { [method]: original } = methods
  methods[method] = function watched(...args) {
    for (const way of ways) way.note(file && `${file} ${owner.name}.${method}`)
    return original.apply(this, args)
  }
}

const { Cluster, memoryStorage, string } = await load<typeof import('../src/index.js')>('index.ts')
const { listen, connect } = await load<typeof import('../src/wire/index.js')>('wire/index.ts')
const { ProducerBatch } = await load<typeof import('../src/producer/producer-batch.js')>('producer/producer-batch.ts')
const { Sender } = await load<typeof import('../src/producer/sender.js')>('producer/sender.ts')
const { Assignment } = await load<typeof import('../src/consumer/source/assignment.js')>(
  'consumer/source/assignment.ts',
  'consumer/assignment.ts'
)

watch(ProducerBatch, 'append', 'producer/producer-batch.ts', sending)
if ('schedule' in Sender.prototype) watch(Sender, 'schedule', 'producer/sender.ts', sending)
watch(Assignment, 'ready', 'consumer/source/assignment.ts', reading)
watch(Socket as never, 'write', undefined, asking)
watch(Socket as never, 'cork', undefined, asking)

/** A storage that stops where a file is written or read. */
function watched(storage: Storage): Storage {
  return new Proxy(storage, {
    get(target, name) {
      const value = target[name as keyof Storage]
      if (typeof value !== 'function') return value
      if (name !== 'open') return value.bind(target)
      return (path: string) => {
        const file = target.open(path) as StorageFile
        const append = file.append.bind(file)
        const read = file.read.bind(file)
        file.append = bytes => {
          if (path.startsWith('way-')) for (const way of [sending, asking]) way.note()
          return append(bytes)
        }
        file.read = (position, length) => {
          if (path.startsWith('way-')) reading.note()
          return read(position, length)
        }
        return file
      }
    }
  })
}

const value = {
  ...string,
  deserialize(bytes: Uint8Array): string {
    reading.note()
    return string.deserialize(bytes)
  }
}
const cluster = await Cluster.open({ storage: watched(memoryStorage()) })
await cluster.admin().createTopic({ name: 'way', partitions: 1 })
const producer = cluster.producer()
const consumer = cluster.consumer({ topics: ['way'], autoOffsetReset: 'earliest', value })
const records = consumer[Symbol.asyncIterator]()
const listener = await listen(cluster)
const remote = await connect({ brokers: [listener.address] })
const far = remote.producer()

/** Whatever happens the first time only is not on the way. */
for (let round = 0; round < 3; round++) {
  const isMeasured = round === 2
  const next = records.next()
  await new Promise(resolve => setTimeout(resolve, 20))
  sending.isOpen = reading.isOpen = isMeasured
  await producer.send('way', { value: 'x' })
  sending.isOpen = false
  await next
  reading.isOpen = false
  const other = records.next()
  asking.isOpen = isMeasured
  await far.send('way', { value: 'y' })
  asking.isOpen = false
  await other
}
for (const way of [sending, reading, asking]) way.tell()
await remote.close()
await listener.close()
await cluster.close()
