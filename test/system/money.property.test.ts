import { describe, expect, it } from 'vitest'
import { type Random, randomInteger } from '../../src/common/random.js'
import { Cluster, type Consumer, type ConsumerRecord, KafkaError, type Producer, string, type Transaction } from '../../src/index.js'
import { committedRecords } from '../broker/committed-records.js'
import { type DiskWorld, doneBeforeStop, eachSeed } from '../disk-lives.js'

/*
 * Money moves between accounts in transactions, by several producers, while readers of both
 * isolation levels look on and the disk stops, loses its power or is full. Some moves carry out
 * orders, which consumers of a group read: their offsets are in the same transaction. A pipe makes a
 * statement of each entry.
 *
 * An entry says how much an account gets, or gives, by a move, so the entries of a move come to
 * nothing, and those of all moves. SEED=… SEEDS=… run others.
 */

const accounts = 6
const partitions = 3
const orderPartitions = 2
const configs = {
  'transaction.state.log.num.partitions': 2,
  'offsets.topic.num.partitions': 1,
  'log.cleaner.backoff.ms': 1_000_000,
  'group.initial.rebalance.delay.ms': 0
}

interface Entry {
  readonly move: string
  readonly account: number
  readonly amount: number
  /** The number of entries of the move, and of those of it that are in this partition. */
  readonly size: number
  readonly here: number
}

const newCounts = () => ({ moves: 0, aborts: 0, orders: 0, crashes: 0, full: 0, looks: 0 })

/** Moves that carry out orders have no outcomes: their offsets say the same. */
type World = DiskWorld<ReturnType<typeof newCounts>>

/** The parties in one opening of the cluster. */
interface Life extends World {
  readonly cluster: Cluster
  readonly name: string
  readonly isOver: () => boolean
}

const changedMind = new Error('changed my mind')
/** So many operations that the disk does not stop. */
const never = 1e9
const turn = () => new Promise(resolve => setImmediate(resolve))
const pick = (random: Random, count: number) => randomInteger(random, count)

/** The entries of a move between two accounts, or three. */
function entriesOf(random: Random, move: string): Entry[] {
  const from = pick(random, accounts)
  // Half of the moves stay in a partition.
  const to = random.next() < 0.5 ? (from + partitions) % accounts : pick(random, accounts)
  const amount = 1 + pick(random, 100)
  const parts = [
    { account: from, amount: -amount },
    { account: to, amount: random.next() < 0.7 ? amount : amount - 1 }
  ]
  if (parts[0].amount + parts[1].amount !== 0) parts.push({ account: pick(random, accounts), amount: 1 })
  const here = (account: number) => parts.filter(part => part.account % partitions === account % partitions).length
  return parts.map(part => ({ move, ...part, size: parts.length, here: here(part.account) }))
}

async function sendEntries(transaction: Transaction, entries: readonly Entry[], random: Random): Promise<void> {
  const records = entries.map(entry => ({ value: JSON.stringify(entry), partition: entry.account % partitions }))
  if (random.next() < 0.5) await transaction.sendBatch('entries', records)
  else
    for (const record of records) {
      const sent = transaction.send('entries', record)
      if (random.next() < 0.5) await sent
      else sent.catch(() => {})
    }
}

/** Moves money without an order. */
async function tell(life: Life, producer: Producer, which: number): Promise<void> {
  const { random, outcomes, counts, isOver } = life
  for (let i = 0; i < 25 && !isOver(); i++) {
    const move = `teller-${which}/${life.name}/${i}`
    const givesUp = random.next() < 0.25
    try {
      await producer.transaction(async transaction => {
        await sendEntries(transaction, entriesOf(random, move), random)
        if (random.next() < 0.3) await turn()
        if (givesUp) throw changedMind
      })
      outcomes.set(move, true)
      counts.moves++
    } catch (error) {
      if (error === changedMind) outcomes.set(move, false)
      // It is not known how others have ended.
      else if (!(error instanceof KafkaError && error.retriable)) throw error
      counts.aborts++
    }
  }
}

/** Carries out orders. */
async function carryOut(life: Life, producer: Producer, consumer: Consumer<'orders', string, string>): Promise<void> {
  const { random, counts, isOver } = life
  const carry = async (transaction: Transaction, record: ConsumerRecord<string, string>) => {
    const move = `order/${record.partition}/${record.offset}`
    await sendEntries(transaction, entriesOf(random, move), random)
    await transaction.send('done', { value: move, partition: record.partition })
  }
  for await (const batch of consumer.batches()) {
    const givesUp = random.next() < 0.25
    try {
      await producer.transaction(async transaction => {
        if (random.next() < 0.5) await transaction.commitOffsets(consumer)
        for (const record of batch) await carry(transaction, record)
        await transaction.commitOffsets(consumer)
        if (givesUp) throw changedMind
      })
      counts.orders += batch.recordCount
    } catch (error) {
      const isKnown = error instanceof KafkaError && (error.retriable || (error.code === 'CLOSED' && isOver()))
      if (error !== changedMind && !isKnown) throw error
      counts.aborts++
    }
    if (isOver()) break
  }
}

async function order(life: Life): Promise<void> {
  const producer = life.cluster.producer(settings)
  for (let i = 0; i < 15 && !life.isOver(); i++) {
    const count = 1 + pick(life.random, 4)
    const records = Array.from({ length: count }, () => ({ value: 'please', partition: pick(life.random, orderPartitions) }))
    await producer.sendBatch('orders', records)
    for (let turns = pick(life.random, 20); turns > 0; turns--) await turn()
  }
}

/** Reads on, and keeps what it has read by partition. */
async function watch(life: Life, isolationLevel: 'read_committed' | 'read_uncommitted', seen: Entry[][]): Promise<void> {
  const consumer = life.cluster.consumer({ topics: ['entries'], isolationLevel, autoOffsetReset: 'earliest', value: string })
  consumer.on('error', () => {})
  for await (const { value, partition } of consumer) seen[partition].push(JSON.parse(value))
}

/** Throws unless each move is there as a whole: in each partition and, with `isAll`, in all. */
function checkWhole(entries: readonly Entry[], isAll: boolean): void {
  const found = new Map<string, Entry[]>()
  for (const entry of entries) {
    const name = isAll ? entry.move : `${entry.move} in ${entry.account % partitions}`
    found.set(name, [...(found.get(name) ?? []), entry])
  }
  for (const [name, ofMove] of found) {
    const { size, here } = ofMove[0]
    if (ofMove.length !== (isAll ? size : here)) throw new Error(`${name} is there in part: ${JSON.stringify(ofMove)}`)
  }
  const sum = entries.reduce((total, { amount }) => total + amount, 0)
  if (isAll && sum !== 0) throw new Error(`the sum is ${sum}`)
}

async function entriesIn(cluster: Cluster, partition: number): Promise<Entry[]> {
  return (await committedRecords(cluster.topic('entries').partitions[partition])).map(({ value }) => JSON.parse(value))
}

/** Looks now and then, in the middle of it all. */
async function audit(life: Life): Promise<void> {
  while (!life.isOver()) {
    checkWhole(await entriesIn(life.cluster, pick(life.random, partitions)), false)
    life.counts.looks++
    for (let turns = pick(life.random, 30); turns >= 0; turns--) await turn()
  }
}

/** Compares everything that is committed, when nothing is under way. */
async function check(cluster: Cluster, outcomes: ReadonlyMap<string, boolean>): Promise<void> {
  const byPartition: Entry[][] = []
  for (const { partition, lastStableOffset, highWatermark } of cluster.topic('entries').partitions) {
    if (lastStableOffset !== highWatermark) throw new Error(`a transaction is open in entries-${partition}`)
    byPartition.push(await entriesIn(cluster, partition))
    checkWhole(byPartition[partition], false)
  }
  const entries = byPartition.flat()
  checkWhole(entries, true)
  const moves = new Set(entries.map(({ move }) => move))
  for (const [move, isCommitted] of outcomes) if (moves.has(move) !== isCommitted) throw new Error(`${move}: expected ${isCommitted}`)
  const admin = cluster.admin()
  const offsetOf = async (groupId: string, topic: string, partition: number) =>
    (await admin.listGroupOffsets(groupId)).find(each => each.topic === topic && each.partition === partition)?.offset ?? 0
  // Offsets and outputs move together.
  for (let partition = 0; partition < orderPartitions; partition++) {
    const offset = await offsetOf('bank', 'orders', partition)
    const expected = Array.from({ length: offset }, (_, i) => `order/${partition}/${i}`)
    expect((await committedRecords(cluster.topic('done').partitions[partition])).map(({ value }) => value)).toEqual(expected)
    expect([...moves].filter(move => move.startsWith(`order/${partition}/`)).length).toBe(offset)
  }
  for (let partition = 0; partition < partitions; partition++) {
    const offset = await offsetOf('statements', 'entries', partition)
    const before = (await committedRecords(cluster.topic('entries').partitions[partition])).filter(each => each.offset < offset)
    const statements = await committedRecords(cluster.topic('statements').partitions[partition])
    expect([partition, offset, ...statements.map(({ value }) => value)]).toEqual([partition, offset, ...before.map(({ value }) => value)])
  }
  await admin.close()
}

const settings = { retryBackoffMs: 1, retryBackoffMaxMs: 5, deliveryTimeoutMs: 20_000, requestTimeoutMs: 5000 }

/** Opens the cluster, checks what was before, and moves money; the disk may stop. */
async function live(world: World, kind: 'process' | 'power' | 'full', name: string): Promise<void> {
  const { disk, random, outcomes, counts } = world
  const cluster = await Cluster.open({ storage: disk.mount({ syncEachAppend: true }), configs })
  for (const event of ['error', 'tornTail', 'partitionStopped'] as const) cluster.on(event, () => {})
  if (name === '0') {
    await cluster.admin().createTopics([
      { name: 'entries', partitions },
      { name: 'statements', partitions },
      { name: 'orders', partitions: orderPartitions },
      { name: 'done', partitions: orderPartitions }
    ])
  }
  await check(cluster, outcomes)
  let isDone = false
  const life: Life = { ...world, cluster, name, isOver: () => isDone || disk.hasStopped }
  const seen = { read_committed: byPartitions(), read_uncommitted: byPartitions() }
  const consumers = [0, 1].map(which =>
    cluster.consumer({
      topics: ['orders'],
      groupId: 'bank',
      groupInstanceId: `teller-${which}`,
      autoCommit: false,
      autoOffsetReset: 'earliest',
      maxPollRecords: 5,
      key: string,
      value: string
    })
  )
  const pipe = cluster.pipe({
    from: 'entries',
    to: 'statements',
    groupId: 'statements',
    maxTransactionRecords: 1 + pick(random, 20),
    concurrency: 2,
    value: string,
    producer: settings,
    transform: ({ value, partition }) => ({ value, partition })
  })
  for (const event of ['error', 'retry'] as const) pipe.on(event, () => {})
  for (const consumer of consumers) consumer.on('error', () => {})
  const producerOf = (id: string) => cluster.producer({ transactionalId: id, ...settings })
  const audits = [audit(life), watch(life, 'read_committed', seen.read_committed), watch(life, 'read_uncommitted', seen.read_uncommitted)]
  const carrying = [...consumers.map((consumer, which) => carryOut(life, producerOf(`carrier-${which}`), consumer)), pipe.run()]
  const work = Promise.all([tell(life, producerOf('teller-0'), 0), tell(life, producerOf('teller-1'), 1), order(life)])
  if (kind !== 'full' && random.next() < 0.85) disk.stopAfter(50 + pick(random, 900))
  const running = [...audits, ...carrying, work]
  const failing = new Promise<never>((_, reject) => {
    for (const each of running) each.catch(reject)
  })
  const filled = kind === 'full' ? fillDisk(world) : undefined
  const isMoved = await doneBeforeStop(disk, Promise.race([work, failing]))
  isDone = true
  if (!isMoved) {
    counts.crashes++
    disk.crash(kind === 'full' ? 'process' : kind)
    await cluster.close({ timeoutMs: 0 }).catch(() => {})
    await Promise.allSettled(running)
    return
  }
  disk.stopAfter(never)
  await filled
  await pipe.close()
  for (const consumer of consumers) await consumer.close()
  await Promise.all(carrying)
  await check(cluster, outcomes)
  // Readers have seen, or see in a moment, just what is committed, and whatever was written.
  for (let partition = 0; partition < partitions; partition++) {
    const expected = await entriesIn(cluster, partition)
    while (seen.read_committed[partition].length < expected.length) await turn()
    expect(seen.read_committed[partition]).toEqual(expected)
    expect(seen.read_uncommitted[partition].length).toBeGreaterThanOrEqual(expected.length)
  }
  await cluster.close()
  await Promise.all(audits)
}

/** Leaves no room on the disk for a while. */
async function fillDisk({ disk, random, counts }: World): Promise<void> {
  for (let turns = pick(random, 200); turns > 0; turns--) await turn()
  disk.capacityBytes = 0
  counts.full++
  for (let turns = 20 + pick(random, 200); turns > 0; turns--) await turn()
  disk.capacityBytes = Number.POSITIVE_INFINITY
}

const byPartitions = (): Entry[][] => Array.from({ length: partitions }, () => [])

/** A balance, with the offset of the balance that its writer had read; undefined for none. */
interface Balance {
  readonly move: string
  readonly balance: number
  readonly read: number | 'none'
}

const openingBalance = 100
const keysOf = (partition: number) => Array.from({ length: 4 }, (_, i) => `${partition}/${i}`)

/** The latest balances of a partition. Throws where one was not written on top of the one before. */
async function balancesIn(cluster: Cluster, partition: number): Promise<Map<string, Balance & { readonly offset: number }>> {
  const latest = new Map<string, Balance & { readonly offset: number }>()
  const total = () => [...latest.values()].reduce((sum, { balance }) => sum + balance - openingBalance, 0)
  let move = ''
  for (const { key, value, offset } of await committedRecords(cluster.topic('balances').partitions[partition])) {
    const written: Balance = JSON.parse(value)
    // Both balances of a move are one batch.
    if (written.move !== move && total() !== 0) throw new Error(`the sum of partition ${partition} is ${total()} before ${offset}`)
    move = written.move
    const before = latest.get(key)?.offset ?? 'none'
    if (written.read !== before) throw new Error(`${key} at ${offset} relies on ${written.read}, and there is ${before}: an update is lost`)
    latest.set(key, { ...written, offset })
  }
  if (total() !== 0) throw new Error(`the sum of partition ${partition} is ${total()}`)
  return latest
}

/** Moves money between accounts of a partition by conditional sends. */
async function moveOnCondition(cluster: Cluster, world: World, name: string, isOver: () => boolean): Promise<void> {
  const { random, outcomes, counts } = world
  const producer = cluster.producer(settings)
  for (let i = 0; i < 25 && !isOver(); i++) {
    const partition = pick(random, partitions)
    const [from, to] = keysOf(partition).sort(() => random.next() - 0.5)
    const latest = await balancesIn(cluster, partition)
    const amount = 1 + pick(random, 50)
    const move = `${name}/${i}`
    const balanceOf = (key: string, change: number): Balance => {
      const { balance = openingBalance, offset = 'none' } = latest.get(key) ?? {}
      return { move, balance: balance + change, read: offset }
    }
    const balances = [
      [from, balanceOf(from, -amount)],
      [to, balanceOf(to, amount)]
    ] as const
    if (random.next() < 0.5) await turn()
    try {
      await producer.sendBatch(
        'balances',
        balances.map(([key, balance]) => ({ key, value: JSON.stringify(balance), partition })),
        { ifKeysAt: balances.map(([key, { read }]) => [key, read] as const) }
      )
      outcomes.set(move, true)
      counts.moves++
    } catch (error) {
      if (!(error instanceof KafkaError)) throw error
      if (error.code === 'CONFLICT') outcomes.set(move, false)
      else if (!error.retriable) throw error
      counts.aborts++
    }
  }
}

async function liveOnConditions(world: World, kind: 'process' | 'power', life: number): Promise<void> {
  const { disk, random, outcomes, counts } = world
  const cluster = await Cluster.open({ storage: disk.mount({ syncEachAppend: true }), configs })
  for (const event of ['error', 'tornTail', 'partitionStopped'] as const) cluster.on(event, () => {})
  if (life === 0) await cluster.admin().createTopics([{ name: 'balances', partitions, configs: { 'millrace.key.index': true } }])
  const moves = new Set<string>()
  for (const { partition } of cluster.topic('balances').partitions) {
    await balancesIn(cluster, partition)
    for (const { value } of await committedRecords(cluster.topic('balances').partitions[partition])) moves.add(JSON.parse(value).move)
  }
  for (const [move, isThere] of outcomes) if (moves.has(move) !== isThere) throw new Error(`${move}: expected ${isThere}`)
  let isDone = false
  const isOver = () => isDone || disk.hasStopped
  if (random.next() < 0.85) disk.stopAfter(30 + pick(random, 300))
  const work = Promise.all([0, 1, 2].map(writer => moveOnCondition(cluster, world, `${writer}/${life}`, isOver)))
  await doneBeforeStop(disk, work)
  isDone = true
  if (disk.hasStopped) {
    counts.crashes++
    disk.crash(kind)
    await cluster.close({ timeoutMs: 0 }).catch(() => {})
    await work.catch(() => {})
    return
  }
  disk.stopAfter(never)
  await cluster.close()
}

describe('money that moves on conditions, without transactions', () => {
  it.each(['process', 'power'] as const)('loses no update, whatever the disk does (%s)', kind =>
    eachSeed(1, newCounts, async world => {
      for (let life = 0; life < 5; life++) await liveOnConditions(world, kind, life)
      expect(world.counts.moves).toBeGreaterThan(0)
    })
  )
})

describe('money that moves in transactions', () => {
  it.each(['process', 'power', 'full'] as const)('is all there for readers of what is committed, whatever the disk does (%s)', kind =>
    eachSeed(1, newCounts, async world => {
      for (let life = 0; life < 4; life++) await live(world, kind, `${life}`)
      expect(world.counts.moves).toBeGreaterThan(0)
      expect(world.counts.orders).toBeGreaterThan(0)
    })
  )
})
