import { release } from '../../src/common/lease.js'
import type { Log } from '../../src/log/log.js'
import { batchesIn } from '../../src/record/record-batch.js'
import { type Found, type Model, type PartitionModel, type Sent, type TopicModel, Violation } from './model.js'

export interface Expectation {
  /** Whether only what was synced must be there, or all that was acknowledged. */
  readonly onlyDurable: boolean
  /** Whether nothing may be gone; not so for a topic that was being deleted. */
  readonly isComplete: boolean
  /** Whether the partition was closed in peace, so that its start is where it was. */
  readonly isClean: boolean
}

const text = (bytes: Uint8Array | null) => bytes && new TextDecoder().decode(bytes)

/** All that was sent, by id. */
export interface SentRecords {
  get(id: number): Sent | undefined
}

/** Everything in a log, read in pieces of `maxBytes`. */
export async function readAll(log: Log, maxBytes: number): Promise<Found[]> {
  const found: Found[] = []
  let next = log.logStartOffset
  while (next < log.logEndOffset) {
    const bytes = await log.read(next, maxBytes)
    const from = next
    for (const batch of batchesIn(bytes)) {
      batch.verify()
      for (const { offset, timestamp, key, value, headers } of batch.records()) {
        if (offset < from) continue
        const id = Number(text(headers[0]?.value ?? null) ?? Number.NaN)
        found.push({ offset, id, key: text(key), value: text(value), timestamp })
      }
      if (batch.nextOffset <= next) throw new Violation(`the offsets go back from ${next} to ${batch.nextOffset}`)
      next = batch.nextOffset
    }
    release(bytes)
    // Compaction may have left nothing at the end.
    if (next === from) break
  }
  return found
}

/** Looks for some records by their times, as for the first one that is as young. */
export async function checkLookups(place: string, log: Log, found: readonly Found[]): Promise<void> {
  for (const index of [0, 1 / 3, 2 / 3, 1].map(part => Math.floor(part * (found.length - 1)))) {
    for (const timestamp of found.length > 0 ? [found[index].timestamp, found[index].timestamp + 1] : []) {
      const expected = found.find(record => record.timestamp >= timestamp)?.offset
      const actual = (await log.offsetForTimestamp(timestamp))?.offset
      if (actual !== expected) throw new Violation(`${place}: the time ${timestamp} is looked for at ${actual} instead of ${expected}`)
    }
  }
}

/** Holds what was found in a partition against what is known of it. */
export function checkPartition(
  place: string,
  model: PartitionModel,
  topic: TopicModel,
  sent: SentRecords,
  log: { readonly logStartOffset: number; readonly logEndOffset: number },
  found: readonly Found[],
  expected: Expectation
): void {
  checkFound(place, topic, sent, log, found)
  const { logStartOffset } = log
  if (expected.isComplete && logStartOffset > model.startOffset)
    throw new Violation(`${place}: starts at ${logStartOffset}, though ${model.startOffset} was the last start seen`)
  if (expected.isClean && logStartOffset !== model.startOffset)
    throw new Violation(`${place}: starts at ${logStartOffset} after a clean close at ${model.startOffset}`)
  const byOffset = new Map(found.map(record => [record.offset, record]))
  const superseded = topic.isCompacted ? supersededOffsets(model, found) : undefined
  for (const [offset, { what, isDurable }] of model.acked) {
    if (offset < logStartOffset) continue
    const record = byOffset.get(offset)
    if (record && record.id === what.id) continue
    if (expected.onlyDurable && !isDurable) continue
    if (!expected.isComplete) continue
    if (!record && superseded && (what.value === null || offset < (superseded.get(what.key) ?? -1))) continue
    const there = record ? `${record.id} is there` : 'nothing is there'
    throw new Violation(
      `${place}: acknowledged record ${what.id} at ${offset} is gone, ${there}; the log has ${logStartOffset} to ${log.logEndOffset}`
    )
  }
}

/** What holds for any log, whatever was acknowledged. */
function checkFound(
  place: string,
  topic: TopicModel,
  sent: SentRecords,
  log: { readonly logStartOffset: number; readonly logEndOffset: number },
  found: readonly Found[]
): void {
  const seen = new Map<number, number>()
  const lastOfProducer = new Map<number, number>()
  let next = log.logStartOffset
  for (const { offset, id, key, value } of found) {
    if (topic.isCompacted ? offset < next : offset !== next) throw new Violation(`${place}: offset ${offset} where ${next} was to come`)
    next = offset + 1
    const record = sent.get(id)
    if (!record || `${record.topic}-${record.partition}` !== place)
      throw new Violation(`${place}: record ${id} at ${offset} was never sent here`)
    if (record.key !== key || record.value !== value) throw new Violation(`${place}: record ${id} at ${offset} was sent otherwise`)
    if (seen.has(id)) throw new Violation(`${place}: record ${id} is there twice, at ${seen.get(id)} and ${offset}`)
    seen.set(id, offset)
    if ((lastOfProducer.get(record.producer) ?? -1) > id) throw new Violation(`${place}: record ${id} at ${offset} is out of order`)
    lastOfProducer.set(record.producer, id)
  }
  if (topic.isCompacted ? log.logEndOffset < next : log.logEndOffset !== next)
    throw new Violation(`${place}: read up to ${next}, though the log ends at ${log.logEndOffset}`)
}

/** For each key the last offset that is known to have been used for it. */
function supersededOffsets(model: PartitionModel, found: readonly Found[]): Map<string, number> {
  const last = new Map<string, number>()
  for (const [offset, { what }] of model.acked) last.set(what.key, Math.max(offset, last.get(what.key) ?? -1))
  for (const { offset, key } of found) if (key !== null) last.set(key, Math.max(offset, last.get(key) ?? -1))
  return last
}

/** What groups are told they have committed, by key, against what they were told before. */
export function checkCommits(model: Model, committed: (key: string) => number, onlyDurable: boolean): void {
  for (const [key, commit] of model.commits) {
    if (commit.topic.state !== 'present') continue
    const found = committed(key)
    const least = onlyDurable ? commit.durable : commit.acked
    if (found < least) throw new Violation(`${key}: committed ${least}, and now it is ${found}`)
    if (found >= 0 && !commit.attempted.has(found)) throw new Violation(`${key}: ${found} was never committed`)
    commit.attempted.add(found)
    commit.acked = found
  }
}
