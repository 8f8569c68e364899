import { readInt16, readInt32, readInt64, readUint32 } from '../../common/bytes.js'
import { crc32c } from '../../common/crc32c.js'

/** A producer in a `.snapshot` file; `src/log/producer-snapshot.ts` draws its format. */
export interface SnapshotEntry {
  readonly producerId: number
  readonly producerEpoch: number
  readonly lastSequence: number
  readonly lastOffset: number
  readonly offsetDelta: number
  readonly timestamp: number
  readonly coordinatorEpoch: number
  readonly currentTransactionFirstOffset: number
}

const headerSize = 10
const entrySize = 46

/** Throws an `Error` that says what is wrong with the file. */
export function snapshotEntries(bytes: Uint8Array): SnapshotEntry[] {
  if (bytes.length < headerSize) throw new Error(`it has ${bytes.length} bytes, its header alone takes ${headerSize}`)
  if (readInt16(bytes, 0) !== 1) throw new Error(`its version is ${readInt16(bytes, 0)}, not 1`)
  const actual = crc32c(bytes, 6)
  if (actual !== readUint32(bytes, 2)) throw new Error(`its checksum is ${readUint32(bytes, 2)}, its bytes give ${actual}`)
  const count = readInt32(bytes, 6)
  if (bytes.length !== headerSize + count * entrySize) throw new Error(`${count} entries do not make its ${bytes.length} bytes`)
  return Array.from({ length: count }, (_, i) => entryAt(bytes, headerSize + i * entrySize))
}

function entryAt(bytes: Uint8Array, at: number): SnapshotEntry {
  return {
    producerId: readInt64(bytes, at),
    producerEpoch: readInt16(bytes, at + 8),
    lastSequence: readInt32(bytes, at + 10),
    lastOffset: readInt64(bytes, at + 14),
    offsetDelta: readInt32(bytes, at + 22),
    timestamp: readInt64(bytes, at + 26),
    coordinatorEpoch: readInt32(bytes, at + 34),
    currentTransactionFirstOffset: readInt64(bytes, at + 38)
  }
}
