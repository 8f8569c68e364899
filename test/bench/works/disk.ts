import type { Contestant, Goal, Work } from '../contest.js'
import type { StoreKind } from '../disk-run.js'
import { Inbox, KeyedInbox, messagesOf } from '../messages.js'
import type { Setting } from '../setting.js'

/** Appends, a thousand at a time, then, opened anew, reads all that is there. Disk is what the operating system takes it for: nothing is synced. */
async function run(kind: StoreKind, setting: Setting, records: number, valueBytes: number, isKeyed: boolean) {
  const count = setting.count(records)
  const messages = messagesOf(valueBytes)
  const folder = setting.folder()
  const store = await kind.open(folder)
  const appending = performance.now()
  for (let sent = 0; sent < count; sent += messages.length) await store.append(messages)
  const appended = performance.now() - appending
  await store.close()
  const reader = await kind.reopen(folder, count)
  const inbox = isKeyed ? new KeyedInbox(count) : new Inbox(count)
  const reading = performance.now()
  await reader.replay((key, value) => inbox.see(key, value))
  const read = performance.now() - reading
  await reader.close()
  if (inbox.seen !== count) throw new Error(`${inbox.seen} of ${count} records came back`)
  return { append: count / appended / 1000, replay: count / read / 1000 }
}

function diskWork(name: string, title: string, records: number, valueBytes: number, goals: readonly Goal[]): Work {
  const contestant = (
    name: string,
    role: Contestant['role'],
    load: () => Promise<StoreKind>,
    more: Partial<Contestant> & { isKeyed?: boolean } = {}
  ): Contestant => ({
    name,
    role,
    ...more,
    run: async setting => run(await load(), setting, records, valueBytes, more.isKeyed ?? false)
  })
  const ours = (partitions: number, reading: 'records' | 'batches' | 'cursor') =>
    contestant(
      `millrace: ${partitions === 1 ? '1 partition' : `${partitions} partitions`}, ${reading}`,
      'us',
      async () => (await import('../peers/millrace-disk.js')).millraceStore(partitions, reading),
      { isKeyed: partitions > 1 }
    )
  return {
    name,
    title,
    about: `Keyed messages with values of ${valueBytes} bytes, given as objects, a thousand at a time, without fsync; then everything is closed, opened again and read in order (from the operating system’s cache) as text.`,
    metrics: [
      { name: 'append', title: 'append', unit: 'M/s', better: 'more' },
      { name: 'replay', title: 'replay', unit: 'M/s', better: 'more' }
    ],
    contestants: [
      contestant('raw blocks of 1 MiB', 'floor', async () => (await import('../peers/files.js')).rawBlocks, { note: 'nothing is encoded' }),
      contestant('framed copy + writeSync', 'floor', async () => (await import('../peers/files.js')).framedFile, {
        note: 'the fair floor'
      }),
      ours(4, 'batches'),
      ours(1, 'batches'),
      ours(1, 'records'),
      ours(1, 'cursor'),
      contestant('JSON lines', 'peer', async () => (await import('../peers/files.js')).jsonLines, { effort: 0.5 }),
      contestant('better-sqlite3, WAL', 'peer', async () => (await import('../peers/better-sqlite3.js')).sqlite, { effort: 0.5 }),
      contestant('lmdb', 'peer', async () => (await import('../peers/lmdb.js')).lmdb({}), { effort: 0.5 }),
      contestant('lmdb, noSync', 'peer', async () => (await import('../peers/lmdb.js')).lmdb({ noSync: true }), { effort: 0.5 }),
      contestant('classic-level', 'peer', async () => (await import('../peers/classic-level.js')).classicLevel, { effort: 0.3 }),
      contestant('Redis Streams, pipelined', 'peer', async () => (await import('../peers/redis-streams.js')).redisStreams, {
        effort: 0.15
      }),
      contestant('NATS JetStream, file', 'peer', async () => (await import('../peers/jetstream.js')).jetStream, { effort: 0.03 })
    ],
    goals,
    ...(valueBytes === 1000 && { when: 'quick' })
  }
}

const [keyed, objects, cursor] = ['millrace: 4 partitions, batches', 'millrace: 1 partition, batches', 'millrace: 1 partition, cursor']
const [sqlite, framed] = ['better-sqlite3, WAL', 'framed copy + writeSync']
const lmdbs = ['lmdb', 'lmdb, noSync']

export const disk = diskWork('disk', 'Append to disk, then replay: 100-byte values', 2_000_000, 100, [
  { row: keyed, metric: 'append', of: sqlite, atLeast: 8 },
  { row: keyed, metric: 'append', of: lmdbs, atLeast: 4 },
  { row: keyed, metric: 'append', of: 'Redis Streams, pipelined', atLeast: 30 },
  { row: keyed, metric: 'append', of: framed, atLeast: 0.45 },
  { row: objects, metric: 'replay', of: sqlite, atLeast: 7 },
  { row: objects, metric: 'replay', of: lmdbs, atLeast: 4 },
  { row: objects, metric: 'replay', of: framed, atLeast: 0.8 },
  { row: cursor, metric: 'replay', of: framed, atLeast: 3 }
])

export const disk1k = diskWork('disk-1k', 'Append to disk, then replay: 1000-byte values', 400_000, 1000, [
  { row: keyed, metric: 'append', of: sqlite, atLeast: 8 }
])
