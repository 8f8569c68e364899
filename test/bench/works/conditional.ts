import type { Contestant, Work } from '../contest.js'
import type { Setting } from '../setting.js'

/** A store in which what is appended to a key says what the writer took for its last append. */
export interface ConditionalStore {
  /** Appends to keys, each on the condition that its last append is still the one given (-1 for none). Resolves with the new ones. */
  append(keys: readonly string[], last: readonly number[], values: readonly string[]): Promise<number[]> | number[]
  /** Whether an append is refused that relies on what is no longer so. */
  refuses(key: string, last: number): Promise<boolean> | boolean
  /** Bytes of memory that finding the last append of a key takes, for each key; 0 where that cannot be told. */
  bytesPerKey(): number
  close(): unknown
}

export type ConditionalStoreKind = (folder: string | undefined) => Promise<ConditionalStore>

const appendsAtOnce = 1000

/** Appends once to every key, then as often again to keys at random. */
async function run(open: ConditionalStoreKind, setting: Setting, onDisk: boolean, atOnce: number) {
  const count = setting.count(1_000_000)
  const store = await open(onDisk ? setting.folder() : undefined)
  const last = new Array<number>(count).fill(-1)
  const keyOf = (i: number) => `account-${i}`
  const value = 'x'.repeat(100)
  const values = new Array<string>(atOnce).fill(value)
  const append = async (places: readonly number[]) => {
    const appended = await store.append(
      places.map(keyOf),
      places.map(place => last[place]),
      values
    )
    places.forEach((place, i) => {
      last[place] = appended[i]
    })
  }
  const creating = performance.now()
  for (let first = 0; first < count; first += atOnce)
    await append(Array.from({ length: Math.min(atOnce, count - first) }, (_, i) => first + i))
  const created = performance.now() - creating
  // A stride that has no factor in common with a round number comes to every key, in an order without a pattern.
  const stride = 611_953
  let place = 0
  const updating = performance.now()
  for (let done = 0; done < count; done += atOnce)
    await append(Array.from({ length: Math.min(atOnce, count - done) }, () => (place = (place + stride) % count)))
  const updated = performance.now() - updating
  if (!(await store.refuses(keyOf(0), last[0] + 1)) || !(await store.refuses(keyOf(1), -1)))
    throw new Error('An append was taken that relied on what is not so')
  const bytes = store.bytesPerKey()
  await store.close()
  return { create: count / created / 1000, update: count / updated / 1000, bytes }
}

const contestant = (
  name: string,
  role: Contestant['role'],
  onDisk: boolean,
  load: () => Promise<ConditionalStoreKind>,
  more: Partial<Contestant> & { atOnce?: number } = {}
): Contestant => ({
  name,
  role,
  family: onDisk ? 'on disk' : 'in memory',
  ...more,
  run: async setting => run(await load(), setting, onDisk, more.atOnce ?? appendsAtOnce)
})

const millrace = async () => (await import('../peers/conditional-millrace.js')).millraceConditional
const sqlite = async () => (await import('../peers/conditional-sqlite.js')).sqliteConditional

export const conditional: Work = {
  name: 'conditional',
  title: 'Append to a key only if nobody was there before',
  about:
    'A million keys; values of 100 bytes. Each append says what the writer took for the last append of its key, and is refused on its own where that is not so. First one append for each key, then a million to keys at random; a thousand writers at once where nothing else is said. Disk is what the operating system takes it for.',
  metrics: [
    { name: 'update', title: 'to known keys', unit: 'M/s', better: 'more' },
    { name: 'create', title: 'to new keys', unit: 'M/s', better: 'more' },
    { name: 'bytes', title: 'memory of a key', unit: 'bytes', better: 'less' }
  ],
  contestants: [
    contestant('millrace, in memory', 'us', false, millrace),
    contestant('millrace, in memory, one at a time', 'us', false, millrace, { atOnce: 1, effort: 0.3 }),
    contestant('better-sqlite3, :memory:', 'peer', false, sqlite, { effort: 0.5, note: 'a transaction for each append' }),
    contestant('millrace, on disk', 'us', true, millrace),
    contestant('better-sqlite3, WAL', 'peer', true, sqlite, { effort: 0.5, note: 'a transaction for each append' })
  ],
  goals: [
    { row: 'millrace, in memory', metric: 'update', of: 'better-sqlite3, :memory:', atLeast: 3 },
    { row: 'millrace, on disk', metric: 'update', of: 'better-sqlite3, WAL', atLeast: 3 }
  ]
}
