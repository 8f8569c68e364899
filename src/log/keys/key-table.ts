import type { KeyHash } from './key-hash.js'

/** The value of an empty entry. */
export const none = 0

const smallestSlots = 16
export const mostSlots = 1024
/** Four words of the hash and the offset. */
const slotBytes = 24
/** The size of a bucket besides its slots. */
const bucketBytes = 400

/** A small hash table with open addressing. */
interface Bucket {
  /** Of each slot the four words of its hash. */
  words: Int32Array
  /** 0 where a slot is free. */
  entries: Float64Array
  count: number
  /** The number of first bits of their hashes that its keys share. */
  depth: number
  /** Entries below this offset were taken out. */
  floor: number
  /** The capture that has yet to take it. */
  awaitedBy: KeyCapture | undefined
}

/**
 * The last offset of each key, by the hash of the key: an extendible hash table. It grows by one
 * bucket of 24 KiB at a time, which takes microseconds; no key count makes it stand still. A key
 * takes 24 bytes, and with the free slots some 45.
 */
export class KeyTable {
  /** By the first bits of a hash; several places may share a bucket. */
  #buckets: Bucket[] = [newBucket(0)]
  #depth = 0
  #count = 0
  #bytes = smallestSlots * slotBytes + bucketBytes
  #capture: KeyCapture | undefined
  /** Entries below this offset are of no use, and go before the table grows for them. */
  floor = 0

  /** The number of its keys, with those below the floor that were not taken out. */
  get count(): number {
    return this.#count
  }

  get sizeInBytes(): number {
    return this.#bytes + 8 * this.#buckets.length
  }

  get(hash: KeyHash): number {
    const { words, entries } = this.#bucketOf(hash)
    return entries[slotIn(words, entries, hash)]
  }

  /** Sets the entry of a key. Returns the one before. */
  set(hash: KeyHash, entry: number): number {
    const bucket = this.#bucketOf(hash)
    const slot = slotIn(bucket.words, bucket.entries, hash)
    const before = bucket.entries[slot]
    if (bucket.awaitedBy) bucket.awaitedBy.keep(bucket)
    if (before !== none) {
      bucket.entries[slot] = entry
      return before
    }
    if (bucket.count >= 0.8 * bucket.entries.length) {
      this.#makeRoom(bucket)
      return this.set(hash, entry)
    }
    bucket.words.set(hash, 4 * slot)
    bucket.entries[slot] = entry
    bucket.count++
    this.#count++
    return none
  }

  /** Takes a key out. */
  delete(hash: KeyHash): void {
    const bucket = this.#bucketOf(hash)
    const slot = slotIn(bucket.words, bucket.entries, hash)
    if (bucket.entries[slot] === none) return
    if (bucket.awaitedBy) bucket.awaitedBy.keep(bucket)
    closeGap(bucket, slot)
    bucket.count--
    this.#count--
  }

  /** All entries; the hash is lent until the next one. */
  *all(): Generator<{ readonly hash: KeyHash; readonly entry: number }> {
    const hash = new Int32Array(4)
    for (const { words, entries } of new Set(this.#buckets)) {
      for (let slot = 0; slot < entries.length; slot++) {
        if (entries[slot] === none) continue
        for (let i = 0; i < 4; i++) hash[i] = words[4 * slot + i]
        yield { hash, entry: entries[slot] }
      }
    }
  }

  /**
   * The entries as they are now, to be read piece by piece while the table changes. One at a time.
   */
  capture(): KeyCapture {
    this.#capture?.end()
    const capture = new KeyCapture([...new Set(this.#buckets)], this.#count)
    this.#capture = capture
    return capture
  }

  #bucketOf(hash: KeyHash): Bucket {
    return this.#depth === 0 ? this.#buckets[0] : this.#buckets[hash[3] >>> (32 - this.#depth)]
  }

  #makeRoom(bucket: Bucket): void {
    const { length } = bucket.entries
    if (bucket.floor < this.floor) {
      this.#rebuild(bucket, length)
      if (bucket.count < 0.6 * length) return
    }
    if (length < mostSlots) this.#rebuild(bucket, 2 * length)
    else this.#split(bucket)
  }

  /** Gives a bucket so many slots, without what is of no use. */
  #rebuild(bucket: Bucket, slots: number): void {
    const { words, entries, count } = bucket
    bucket.words = new Int32Array(4 * slots)
    bucket.entries = new Float64Array(slots)
    bucket.count = 0
    bucket.floor = this.floor
    for (let slot = 0; slot < entries.length; slot++) if (isOfUse(entries[slot], this.floor)) take(bucket, words, slot, entries[slot])
    this.#count += bucket.count - count
    this.#bytes += (slots - entries.length) * slotBytes
  }

  #split(bucket: Bucket): void {
    if (bucket.depth === this.#depth) {
      this.#buckets = this.#buckets.flatMap(each => [each, each])
      this.#depth++
    }
    const { words, entries } = bucket
    const slots = entries.length
    const depth = bucket.depth + 1
    const upper = newBucket(depth, slots)
    upper.floor = bucket.floor
    bucket.depth = depth
    bucket.words = new Int32Array(4 * slots)
    bucket.entries = new Float64Array(slots)
    bucket.count = 0
    for (let slot = 0; slot < slots; slot++) {
      if (entries[slot] === none) continue
      const isUpper = ((words[4 * slot + 3] >>> (32 - depth)) & 1) === 1
      take(isUpper ? upper : bucket, words, slot, entries[slot])
    }
    for (let place = 0; place < this.#buckets.length; place++) {
      if (this.#buckets[place] === bucket && ((place >>> (this.#depth - depth)) & 1) === 1) this.#buckets[place] = upper
    }
    this.#bytes += slots * slotBytes + bucketBytes
  }
}

/**
 * The stored form of an offset: a number above 0, or below 0 where the record there has no value (a
 * tombstone).
 */
export function entryOf(offset: number, isTombstone: boolean): number {
  return isTombstone ? -offset - 1 : offset + 1
}

export function offsetOf(entry: number): number {
  return entry < 0 ? -entry - 1 : entry - 1
}

/**
 * The entries of a table at one moment. What the table changes meanwhile is copied first, a bucket
 * at a time.
 */
export class KeyCapture {
  /** The number of entries. */
  readonly count: number
  #buckets: Bucket[]
  readonly #kept = new Map<Bucket, Pick<Bucket, 'words' | 'entries'>>()

  /** @internal */
  constructor(buckets: Bucket[], count: number) {
    this.#buckets = buckets
    this.count = count
    for (const bucket of buckets) bucket.awaitedBy = this
  }

  /** Keeps what is in a bucket that is about to change. */
  keep(bucket: Bucket): void {
    bucket.awaitedBy = undefined
    this.#kept.set(bucket, { words: bucket.words.slice(), entries: bucket.entries.slice() })
  }

  /**
   * The entries of the next bucket; undefined when there are no more. They hold until the table
   * changes.
   */
  next(): Pick<Bucket, 'words' | 'entries'> | undefined {
    const bucket = this.#buckets.pop()
    if (!bucket) return undefined
    const kept = this.#kept.get(bucket)
    if (!kept) {
      bucket.awaitedBy = undefined
      return bucket
    }
    this.#kept.delete(bucket)
    return kept
  }

  /** Nobody wants the rest. */
  end(): void {
    for (const bucket of this.#buckets) if (bucket.awaitedBy === this) bucket.awaitedBy = undefined
    this.#buckets = []
    this.#kept.clear()
  }
}

function newBucket(depth: number, slots = smallestSlots): Bucket {
  return { words: new Int32Array(4 * slots), entries: new Float64Array(slots), count: 0, depth, floor: 0, awaitedBy: undefined }
}

function isOfUse(entry: number, floor: number): boolean {
  return entry !== none && offsetOf(entry) >= floor
}

/** The slot of a hash, or the free one where it belongs. */
function slotIn(words: Int32Array, entries: Float64Array, hash: KeyHash): number {
  const mask = entries.length - 1
  const [a, b, c, d] = [hash[0], hash[1], hash[2], hash[3]]
  let slot = a & mask
  while (entries[slot] !== none) {
    const at = 4 * slot
    if (words[at] === a && words[at + 1] === b && words[at + 2] === c && words[at + 3] === d) return slot
    slot = (slot + 1) & mask
  }
  return slot
}

/** Adds an entry that stands at a slot of other words and is not in the bucket. */
function take(bucket: Bucket, words: Int32Array, from: number, entry: number): void {
  const mask = bucket.entries.length - 1
  let slot = words[4 * from] & mask
  while (bucket.entries[slot] !== none) slot = (slot + 1) & mask
  for (let i = 0; i < 4; i++) bucket.words[4 * slot + i] = words[4 * from + i]
  bucket.entries[slot] = entry
  bucket.count++
}

/** Frees a slot, and moves those behind it up that would not be found any more. */
function closeGap({ words, entries }: Bucket, free: number): void {
  const mask = entries.length - 1
  let gap = free
  for (let slot = (gap + 1) & mask; entries[slot] !== none; slot = (slot + 1) & mask) {
    const home = words[4 * slot] & mask
    // True if the gap lies between where the entry belongs and where it stands.
    if (((slot - home) & mask) < ((slot - gap) & mask)) continue
    words.copyWithin(4 * gap, 4 * slot, 4 * slot + 4)
    entries[gap] = entries[slot]
    gap = slot
  }
  entries[gap] = none
}
