import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, it } from 'vitest'
import { Cluster } from '../../../src/cluster.js'
import { randomInteger, seededRandom } from '../../../src/common/random.js'
import { fileStorage } from '../../../src/storage/file/index.js'
import { runAndKill } from '../../killed-child.js'
import { counters, keyNames } from './counting.js'

const child = fileURLToPath(new URL('counting-child.ts', import.meta.url))

/** Runs a child until it has told so many counts. Returns the last that it told of each key. */
async function killed(directory: string, durability: string, lines: number): Promise<Map<string, number>> {
  const told = new Map<string, number>()
  const { isKilled, complaints } = await runAndKill(['--import', 'tsx', child, directory, durability], (text, kill) => {
    try {
      const [key, count] = JSON.parse(text)
      if (key !== undefined) told.set(key, count)
    } catch {
      // Cut short by the kill.
    }
    if (--lines === 0) kill()
  })
  if (!isKilled) throw new Error(`The child ended by itself: ${complaints}`)
  return told
}

/** All records, and that the index says what they say. */
async function counted(directory: string): Promise<Map<string, number[]>> {
  await using cluster = await Cluster.open({ storage: fileStorage(directory) })
  const admin = cluster.admin()
  const found = new Map<string, number[]>()
  const last = new Map<string, number>()
  let left = (await admin.listOffsets([counters.name], 'latest')).reduce((sum, { offset }) => sum + offset, 0)
  const consumer = cluster.consumer({ topics: [counters], autoOffsetReset: 'earliest' })
  for await (const { key, offset, value } of consumer) {
    found.set(key, [...(found.get(key) ?? []), value.count])
    last.set(key, offset)
    if (--left === 0) break
  }
  const indexed = await admin.lastOffsets(counters, keyNames)
  expect(indexed.map(({ lastOffset }) => lastOffset)).toEqual(keyNames.map(key => last.get(key) ?? 'none'))
  return found
}

it('writers that count on by conditional sends lose no count when their process is killed', { timeout: 120_000 }, async () => {
  const seed = Math.floor(Math.random() * 1_000_000)
  console.log(`seed ${seed}; the moments of the kills are not the same again`)
  const random = seededRandom(seed)
  const directory = mkdtempSync(join(tmpdir(), 'millrace-counting-'))
  const kills = Number(process.env.COUNTING_KILLS ?? 3)
  for (let kill = 0; kill < kills; kill++) {
    const told = await killed(directory, ['os', 'always', 'interval'][kill % 3], 2 + randomInteger(random, 600))
    const found = await counted(directory)
    for (const [key, counts] of found) expect(counts, key).toEqual(counts.map((_, i) => i + 1))
    for (const [key, count] of told) expect(found.get(key)?.length, key).toBeGreaterThanOrEqual(count)
  }
  rmSync(directory, { recursive: true })
})
