import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, describe, expect, it, vi } from 'vitest'
import * as core from '../../../src/index.js'
import * as file from '../../../src/storage/file/index.js'
import * as wire from '../../../src/wire/index.js'
import { type Fakes, kinds, timersAndTime } from './fakes.js'
import { live } from './life.js'

const library = { core, file, wire }
const run = promisify(execFile)
const child = fileURLToPath(new URL('./loaded-under.ts', import.meta.url))
const tsx = import.meta.resolve('tsx')

const ofVitest: Fakes[] = [
  { name: "vitest's fake timers", install: vitest() },
  { name: "vitest's fake timers with more faked", install: vitest(timersAndTime) }
]

function vitest(toFake?: string[]): () => () => void {
  return () => {
    vi.useFakeTimers(toFake && { toFake: toFake as 'Date'[] })
    return () => vi.useRealTimers()
  }
}

let remove = () => {}

afterEach(() => {
  remove()
  remove = () => {}
})

function placesUnder({ stopsSockets }: Fakes): ('memory' | 'disk' | 'wire')[] {
  return stopsSockets ? ['memory', 'disk'] : ['memory', 'disk', 'wire']
}

describe.each([...ofVitest, ...kinds])('$name that nobody advances', fakes => {
  it.each(placesUnder(fakes))('hold up nothing that was loaded before them, in %s', async place => {
    remove = fakes.install()
    await live(library, place)
  })

  it('hold up nothing that began under them when they are taken away, and nothing that comes later', async () => {
    remove = fakes.install()
    const cluster = await core.Cluster.open()
    const sent = cluster.producer({ lingerMs: 50 }).send('orders', { value: 'v' })
    const consumer = cluster.consumer({ topics: ['orders'], autoOffsetReset: 'earliest', fetchMinBytes: 1_000_000, fetchMaxWaitMs: 100 })
    const read = consumer.records().next()
    remove()
    await sent
    expect((await read).value).toMatchObject({ offset: 0 })
    await cluster.close()
    await live(library, 'wire')
  })
})

describe.each(kinds.filter(({ isPartial }) => !isPartial))('$name', fakes => {
  it('hold up nothing that is loaded under them, and nothing after that', async () => {
    await run(process.execPath, ['--import', tsx, child, fakes.name, ...placesUnder(fakes)], { timeout: 25_000 })
  })
})

it('a date that a test has set is that of the records, and no matter to what waits', async () => {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.UTC(2001, 0, 1) })
  remove = () => vi.useRealTimers()
  const cluster = await core.Cluster.open()
  const records = cluster.consumer({ topics: ['orders'], autoOffsetReset: 'earliest' }).records()
  for (const date of [Date.UTC(2001, 0, 1), Date.UTC(2031, 5, 1), Date.UTC(1999, 5, 1)]) {
    vi.setSystemTime(date)
    await cluster.producer({ lingerMs: 5 }).send('orders', { value: 'v' })
    expect((await records.next()).value).toMatchObject({ timestamp: date })
  }
  await cluster.close()
})
