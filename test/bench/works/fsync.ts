import type { Contestant, Goal, Work } from '../contest.js'
import { messagesOf } from '../messages.js'
import type { Setting } from '../setting.js'
import { stalls } from '../stalls.js'
import { percentile } from '../statistics.js'
import type { SyncStore } from '../sync-run.js'

/** So many producers, each of which waits for its message to be safe before it sends the next, for so many seconds. */
async function run(open: (folder: string) => Promise<SyncStore>, producers: number, setting: Setting) {
  const messages = messagesOf(100)
  const store = await open(setting.folder())
  const waits: number[] = []
  const started = performance.now()
  const end = started + setting.amount(3000, 20)
  await Promise.all(
    Array.from({ length: producers }, async (_, producer) => {
      for (let sent = 0; ; sent++) {
        const sentAt = performance.now()
        if (sentAt >= end) return
        await store.append(messages[(producer + sent) % messages.length])
        waits.push(performance.now() - sentAt)
      }
    })
  )
  const elapsed = performance.now() - started
  const count = await store.count()
  await store.close()
  if (count !== waits.length) throw new Error(`${waits.length} were acknowledged, ${count} are there`)
  return stalls.aside(() => {
    const figures = Float64Array.from(waits)
    return { rate: waits.length / elapsed, p50: percentile(figures, 50) * 1000, p99: percentile(figures, 99) * 1000 }
  })
}

function fsyncWork(name: string, title: string, producers: number, goals: readonly Goal[]): Work {
  const contestant = (name: string, role: Contestant['role'], load: () => Promise<(folder: string) => Promise<SyncStore>>): Contestant => ({
    name,
    role,
    run: async setting => run(await load(), producers, setting)
  })
  return {
    name,
    title,
    about: `${producers === 1 ? 'One producer sends' : `${producers} producers, in one process, send`} messages of 100 bytes, each of which waits until a power cut could not take it.`,
    metrics: [
      { name: 'rate', title: 'records', unit: 'K/s', better: 'more' },
      { name: 'p50', title: 'p50', unit: 'µs', better: 'less' },
      { name: 'p99', title: 'p99', unit: 'µs', better: 'less' }
    ],
    contestants: [
      contestant(rawAhead, 'floor', rawSynced(64 * 1024 * 1024)),
      contestant(raw, 'floor', rawSynced(0)),
      contestant('millrace: await send', 'us', async () => (await import('../peers/millrace-disk.js')).millraceSynced),
      contestant('better-sqlite3, FULL, grouped by hand', 'peer', async () => (await import('../peers/better-sqlite3.js')).sqliteSynced),
      contestant('lmdb', 'peer', async () => (await import('../peers/lmdb.js')).lmdbSynced),
      contestant('classic-level, sync', 'peer', async () => (await import('../peers/classic-level.js')).classicLevelSynced),
      contestant('Redis Streams, appendfsync always', 'peer', async () => (await import('../peers/redis-streams.js')).redisSynced)
    ],
    goals,
    ...(producers === 1 && { when: 'quick' })
  }
}

function rawSynced(aheadBytes: number) {
  return async () => {
    const { rawSynced } = await import('../peers/raw-synced.js')
    return (folder: string) => rawSynced(folder, aheadBytes)
  }
}

const us = 'millrace: await send'
const raw = 'raw file, fdatasync shared'
const rawAhead = 'raw file, extended ahead, fdatasync shared'

export const fsync1 = fsyncWork('fsync-1', 'Acknowledged after fsync: one producer', 1, [{ row: us, metric: 'p50', of: raw, atMost: 0.8 }])
export const fsync100 = fsyncWork('fsync-100', 'Acknowledged after fsync: 100 producers', 100, [
  { row: us, metric: 'rate', of: [raw, rawAhead], atLeast: 1 },
  { row: us, metric: 'rate', of: 'better-sqlite3, FULL, grouped by hand', atLeast: 1.1 },
  { row: us, metric: 'rate', of: 'Redis Streams, appendfsync always', atLeast: 3 }
])
