import { Cluster } from '../../../src/cluster.js'
import { randomInteger, systemRandom } from '../../../src/common/random.js'
import { ConflictError } from '../../../src/errors.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { counters, keyNames } from './counting.js'

/* Counts on by conditional sends until it is killed; tells on its output what was acknowledged. */

const [directory, durability] = process.argv.slice(2) as [string, 'os' | 'interval' | 'always']
const cluster = await Cluster.open({ storage: fileStorage(directory, { durability, syncIntervalMs: 5 }) })
const admin = cluster.admin()
if (!cluster.topics.has(counters.name)) await admin.createTopic(counters)
/** By key and offset. */
const counts = new Map<string, number>()
const consumer = cluster.consumer({ topics: [counters], autoOffsetReset: 'earliest' })
const ends = await admin.listOffsets([counters.name], 'latest')
let left = ends.reduce((sum, { offset }) => sum + offset, 0)
if (left > 0)
  for await (const { key, offset, value } of consumer) {
    counts.set(`${key} ${offset}`, value.count)
    if (--left === 0) break
  }
process.stdout.write('[]\n')
await Promise.all([...Array.from({ length: 4 }, count), keepHouse()])

async function count(): Promise<never> {
  const producer = cluster.producer()
  for (;;) {
    const key = keyNames[randomInteger(systemRandom, keyNames.length)]
    const [{ lastOffset }] = await admin.lastOffsets(counters, [key])
    const last = lastOffset === 'none' ? 0 : counts.get(`${key} ${lastOffset}`)
    // Another has just written it, and not heard of it yet.
    if (last !== undefined) {
      try {
        const value = { count: last + 1, filler: 'x'.repeat(500) }
        const { offset } = await producer.send(counters, { key, value }, { ifKeyAt: lastOffset })
        counts.set(`${key} ${offset}`, last + 1)
        process.stdout.write(`${JSON.stringify([key, last + 1])}\n`)
      } catch (error) {
        if (!(error instanceof ConflictError)) throw error
      }
    }
    await new Promise(setImmediate)
  }
}

async function keepHouse(): Promise<never> {
  for (;;) {
    await new Promise(resolve => setTimeout(resolve, 5))
    await cluster.housekeeping()
  }
}
