import { describe, expect, it } from 'vitest'
import { keyPartition } from '../../src/client/key-partition.js'
import { textBytes } from '../../src/common/bytes.js'
import { randomInteger } from '../../src/common/random.js'
import { type Admin, Cluster, KafkaError, type Producer } from '../../src/index.js'
import { batchesIn } from '../../src/record/record-batch.js'
import { type DiskWorld, doneBeforeStop, eachSeed } from '../disk-lives.js'
import { committedRecords } from './committed-records.js'

/*
 * Several producers move money between accounts, each in transactions with conditions on what it
 * has read; some conditions are on keys that are only read. Others write a key without any
 * condition. The disk stops at a random operation. Of what is committed in the end every move must
 * have seen the accounts as the moves before it left them: there is an order of all moves in which
 * each condition held when its move was made.
 */

const partitionCount = 3
const accounts = ['a', 'b', 'c', 'd', 'e']
const guards = ['guard-1', 'guard-2']
const topic = 'accounts'
const opening = 100

/** A record: the balance, the move that wrote it, and the last offsets that the move relied on. */
interface Written {
  readonly move: string
  readonly balance: number
  readonly reads: Readonly<Record<string, number | 'none'>>
  /** The number of records of the move. */
  readonly size: number
}

interface Version extends Written {
  readonly key: string
  readonly offset: number
}

/** The committed values, by key and in the order of the offsets. */
async function history(cluster: Cluster): Promise<Map<string, Version[]>> {
  const versions = new Map<string, Version[]>()
  for (const partition of cluster.topic(topic).partitions)
    for (const { key, value, offset } of await committedRecords(partition)) {
      const ofKey = versions.get(key) ?? []
      ofKey.push({ ...(JSON.parse(value) as Written), key, offset })
      versions.set(key, ofKey)
    }
  return versions
}

/** The balance in the record at an offset. */
async function balanceAt(cluster: Cluster, key: string, offset: number | 'none'): Promise<number> {
  if (offset === 'none') return opening
  const { log } = cluster.topic(topic).partitions[keyPartition(textBytes(key), partitionCount)]
  for (const batch of batchesIn(await log.read(offset, 1)))
    for (const record of batch.records())
      if (record.offset === offset) return (JSON.parse(new TextDecoder().decode(record.value as Uint8Array)) as Written).balance
  throw new Error(`there is no record of ${key} at ${offset}`)
}

/** Throws where no order of the moves makes all their conditions hold. */
function checkOrder(versions: Map<string, Version[]>): void {
  const before = new Map<string, Set<string>>()
  const edge = (from: string, to: string) => {
    if (from !== to) before.set(to, (before.get(to) ?? new Set()).add(from))
  }
  for (const list of versions.values()) for (let i = 1; i < list.length; i++) edge(list[i - 1].move, list[i].move)
  for (const { move, reads } of [...versions.values()].flat())
    for (const [key, offset] of Object.entries(reads)) {
      const list = versions.get(key) ?? []
      const read = offset === 'none' ? -1 : list.findIndex(version => version.offset === offset)
      if (read < 0 && offset !== 'none') throw new Error(`${move} relied on ${key} at ${offset}, which is not committed`)
      if (read >= 0) edge(list[read].move, move)
      const next = list.slice(read + 1).find(version => version.move !== move)
      if (next) edge(move, next.move)
    }
  // Transactions without conditions are written one after the other.
  const blind = [...versions.values()].flat().filter(({ move }) => move.startsWith('guard/'))
  const number = ({ move }: Version) => {
    const [, life, i] = move.split('/')
    return 1000 * Number(life) + Number(i)
  }
  blind.sort((a, b) => number(a) - number(b))
  for (let i = 1; i < blind.length; i++) edge(blind[i - 1].move, blind[i].move)
  const done = new Set<string>()
  const path = new Set<string>()
  const visit = (move: string) => {
    if (done.has(move)) return
    if (path.has(move)) throw new Error(`moves depend on each other: ${[...path, move].join(' > ')}`)
    path.add(move)
    for (const earlier of before.get(move) ?? []) visit(earlier)
    path.delete(move)
    done.add(move)
  }
  for (const move of before.keys()) visit(move)
}

function check(versions: Map<string, Version[]>, outcomes: ReadonlyMap<string, boolean>): void {
  const all = [...versions.values()].flat()
  const found = new Map<string, number>()
  for (const { move } of all) found.set(move, (found.get(move) ?? 0) + 1)
  for (const { move, size } of all) if (found.get(move) !== size) throw new Error(`${move} is there in part`)
  for (const [move, isCommitted] of outcomes)
    if (found.has(move) !== isCommitted)
      throw new Error(`${move} was ${isCommitted ? 'committed' : 'aborted'}, and is ${found.has(move) ? '' : 'not '}there`)
  checkOrder(versions)
  expect(accounts.reduce((sum, key) => sum + (versions.get(key)?.at(-1)?.balance ?? opening), 0)).toBe(opening * accounts.length)
}

const newCounts = () => ({ committed: 0, conflicts: 0, crashes: 0 })

type World = DiskWorld<ReturnType<typeof newCounts>>

/** Moves money until all moves are made, or the disk stops. */
async function moveMoney(cluster: Cluster, world: World, name: string): Promise<void> {
  const { outcomes } = world
  const settings = { retryBackoffMs: 1, retryBackoffMaxMs: 5 }
  const admin = cluster.admin()
  const blind = cluster.producer(settings)
  const work = [1, 2, 3].map(async which => {
    const producer = cluster.producer({ transactionalId: `mover-${which}`, ...settings })
    for (let i = 0; i < 12; i++) await moveOnce(cluster, producer, admin, world, `${name}/${which}/${i}`)
  })
  work.push(
    (async () => {
      for (let i = 0; i < 40; i++) {
        const move = `guard/${name}/${i}`
        const value: Written = { move, balance: 0, reads: {}, size: 1 }
        await blind.send(topic, { key: guards[(i + 1) % guards.length], value: JSON.stringify(value) })
        outcomes.set(move, true)
      }
    })()
  )
  await Promise.all(work)
}

async function moveOnce(cluster: Cluster, producer: Producer, admin: Admin, world: World, move: string): Promise<void> {
  const { random, outcomes, counts } = world
  const keys = [...accounts].sort(() => random.next() - 0.5).slice(0, 2)
  const guard = random.next() < 0.7 ? [guards[1]] : []
  const found = await admin.lastOffsets(topic, [...keys, ...guard])
  const conditions = [...keys, ...guard].map((key, i) => [key, found[i].lastOffset] as const)
  const reads = Object.fromEntries(conditions)
  const amount = 1 + randomInteger(random, 5)
  const balances = [
    (await balanceAt(cluster, keys[0], reads[keys[0]])) - amount,
    (await balanceAt(cluster, keys[1], reads[keys[1]])) + amount
  ]
  const records = keys.map((key, i) => ({ key, value: JSON.stringify({ move, balance: balances[i], reads, size: 2 } satisfies Written) }))
  const givesUp = random.next() < 0.1
  const mind = new Error('changed my mind')
  try {
    await producer.transaction(async tx => {
      const way = random.next()
      if (way < 0.3) await tx.sendBatch(topic, records, { ifKeysAt: conditions })
      else if (way < 0.6) {
        // It reads the key that it relies on last only when it has reserved the rest.
        await tx.send(topic, records[0], { ifKeysAt: conditions })
        for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate)
        const [key] = guards
        const [{ lastOffset }] = await admin.lastOffsets(topic, [key])
        const value = JSON.stringify({ move, balance: balances[1], reads: { ...reads, [key]: lastOffset }, size: 2 } satisfies Written)
        await tx.send(topic, { key: keys[1], value }, { ifKeysAt: [[key, lastOffset]] })
      } else
        await Promise.all([
          tx.send(topic, records[0], { ifKeyAt: reads[keys[0]] }),
          tx.send(topic, records[1], { ifKeyAt: reads[keys[1]], ifKeysAt: conditions.slice(2) })
        ])
      if (givesUp) throw mind
    })
    outcomes.set(move, true)
    counts.committed++
  } catch (error) {
    const isConflict = error instanceof KafkaError && error.code === 'CONFLICT'
    if (isConflict) counts.conflicts++
    if (!isConflict && error !== mind) throw error
    outcomes.set(move, false)
  }
}

/** Opens the cluster, checks all that was before, and moves money until the disk stops. */
async function live(world: World, kind: 'process' | 'power', name: string): Promise<void> {
  const { disk, random, outcomes, counts } = world
  const cluster = await Cluster.open({ storage: disk.mount({ syncEachAppend: true }), configs })
  for (const event of ['error', 'tornTail'] as const) cluster.on(event, () => {})
  if (name === '0') {
    const admin = cluster.admin()
    await admin.createTopics([{ name: topic, partitions: partitionCount, configs: { 'millrace.key.index': true } }])
    await admin.close()
  }
  check(await history(cluster), outcomes)
  if (random.next() < 0.8) disk.stopAfter(30 + randomInteger(random, 400))
  const moving = moveMoney(cluster, world, name)
  if (await doneBeforeStop(disk, moving)) {
    check(await history(cluster), outcomes)
    await cluster.close()
    return
  }
  counts.crashes++
  disk.crash(kind)
  await cluster.close({ timeoutMs: 0 }).catch(() => {})
  await moving.catch(() => {})
}

const configs = { 'transaction.state.log.num.partitions': 2, 'offsets.topic.num.partitions': 1, 'log.cleaner.backoff.ms': 1_000_000 }

describe('moves with conditions on several partitions', () => {
  it.each(['process', 'power'] as const)('see what the moves before them left, whatever the disk does (%s)', kind =>
    eachSeed(2, newCounts, async world => {
      for (let life = 0; life < 5; life++) await live(world, kind, `${life}`)
      expect(world.counts.committed).toBeGreaterThan(0)
    })
  )
})
