/**
 * The size of an entry besides its key: hash, end of the key, offset, and its share of the slots,
 * which are half empty at least.
 */
const entryBytes = 4 + 4 + 8 + 16
/** The assumed size of a key when room is first made. */
const likelyKeyBytes = 16
const smallestCapacity = 64

/**
 * The last offset of each key, as far as memory goes: a hash table with open addressing over keys
 * that lie back to back in one array. It takes keys in the order of their offsets, so the offset
 * that is set last counts.
 */
export class KeyOffsets {
  readonly #maxBytes: number
  #keys: Uint8Array
  #keysEnd = 0
  #count = 0
  #capacity = 0
  #hashes = new Int32Array(0)
  #ends = new Int32Array(0)
  #offsets = new Float64Array(0)
  /** Number of an entry plus one; 0 for none. Its length is a power of two. */
  #slots = new Int32Array(0)

  /**
   * `maxBytes` bounds its memory, but for the keys of one batch; `expectedKeys` may be too many.
   */
  constructor(maxBytes: number, expectedKeys: number) {
    this.#maxBytes = maxBytes
    const most = Math.floor(maxBytes / (entryBytes + likelyKeyBytes))
    this.#keys = new Uint8Array(Math.min(maxBytes, 64 * 1024))
    this.#makeRoom(Math.max(smallestCapacity, Math.min(expectedKeys, most)))
  }

  get count(): number {
    return this.#count
  }

  /** True if another batch may be put in. The first one always may. */
  hasRoomFor(keys: number): boolean {
    if (this.#count === 0) return true
    return this.#count + keys <= this.#capacity && this.#capacity * entryBytes + this.#keysEnd < this.#maxBytes
  }

  /** Makes room for the keys of one batch. */
  reserve(keys: number): void {
    if (this.#count + keys > this.#capacity) this.#makeRoom(this.#count + keys)
  }

  set(bytes: Uint8Array, start: number, length: number, offset: number): void {
    const hash = hashOf(bytes, start, length)
    const slot = this.#slotOf(bytes, start, length, hash)
    const found = this.#slots[slot]
    if (found !== 0) {
      this.#offsets[found - 1] = offset
      return
    }
    const entry = this.#count++
    this.#slots[slot] = entry + 1
    this.#hashes[entry] = hash
    this.#offsets[entry] = offset
    this.#ends[entry] = this.#addKey(bytes, start, length)
  }

  /** -1 for a key that was not set. */
  get(bytes: Uint8Array, start: number, length: number): number {
    const found = this.#slots[this.#slotOf(bytes, start, length, hashOf(bytes, start, length))]
    return found === 0 ? -1 : this.#offsets[found - 1]
  }

  /** The slot of a key, or that where it belongs. */
  #slotOf(bytes: Uint8Array, start: number, length: number, hash: number): number {
    const mask = this.#slots.length - 1
    let slot = hash & mask
    for (let found = this.#slots[slot]; found !== 0; found = this.#slots[slot]) {
      if (this.#hashes[found - 1] === hash && this.#hasKey(found - 1, bytes, start, length)) break
      slot = (slot + 1) & mask
    }
    return slot
  }

  #hasKey(entry: number, bytes: Uint8Array, start: number, length: number): boolean {
    const keyStart = entry === 0 ? 0 : this.#ends[entry - 1]
    if (this.#ends[entry] - keyStart !== length) return false
    for (let i = 0; i < length; i++) if (this.#keys[keyStart + i] !== bytes[start + i]) return false
    return true
  }

  #addKey(bytes: Uint8Array, start: number, length: number): number {
    const keyStart = this.#keysEnd
    this.#keysEnd += length
    if (this.#keysEnd > this.#keys.length) {
      const larger = new Uint8Array(Math.max(this.#keysEnd, Math.min(2 * this.#keys.length, this.#maxBytes)))
      larger.set(this.#keys.subarray(0, keyStart))
      this.#keys = larger
    }
    for (let i = 0; i < length; i++) this.#keys[keyStart + i] = bytes[start + i]
    return this.#keysEnd
  }

  #makeRoom(capacity: number): void {
    this.#capacity = capacity
    this.#hashes = grown(this.#hashes, new Int32Array(capacity))
    this.#ends = grown(this.#ends, new Int32Array(capacity))
    this.#offsets = grown(this.#offsets, new Float64Array(capacity))
    let slots = 2 * smallestCapacity
    while (slots < 2 * capacity) slots *= 2
    this.#slots = new Int32Array(slots)
    for (let entry = 0; entry < this.#count; entry++) {
      let slot = this.#hashes[entry] & (slots - 1)
      while (this.#slots[slot] !== 0) slot = (slot + 1) & (slots - 1)
      this.#slots[slot] = entry + 1
    }
  }
}

function grown<T extends Int32Array | Float64Array>(from: T, to: T): T {
  to.set(from)
  return to
}

/** FNV-1a, with its bits mixed once more as the low ones choose the slot. */
function hashOf(bytes: Uint8Array, start: number, length: number): number {
  let hash = 0x811c9dc5 | 0
  for (let i = start; i < start + length; i++) hash = Math.imul(hash ^ bytes[i], 0x01000193)
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b)
  return hash ^ (hash >>> 13)
}
