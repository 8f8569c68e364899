import type { ThreadIdentity } from './thread-identity.js'

/**
 * The file that a lock was written to. A copy of the lock, in a copied or restored directory, is
 * another file.
 */
export interface LockPlace {
  readonly dev: string
  readonly ino: string
}

/** The content of a lock file: who holds the directory, and its sign of life. */
export interface LockRecord extends ThreadIdentity {
  /**
   * Chosen anew for each acquisition. Absent from locks that an earlier version wrote, which give
   * no signs of life.
   */
  readonly id?: string
  /** The time at which the directory was acquired, as an ISO date. */
  readonly since?: string
  readonly place?: LockPlace
  /** True if the kernel keeps a lock on this file for as long as the holder lives. */
  readonly isKernelLocked: boolean
  /** The silence after which the holder is taken for dead, in ms. */
  readonly sessionTimeoutMs?: number
  /** Goes up with each sign of life. */
  readonly beat: number
  /** The kernel's monotonic clock at the last sign of life, in ms. */
  readonly beatAt?: number
  /** True if the holder has closed the directory in order. */
  readonly isReleased: boolean
}

/** Always of one length, so that writing one over another leaves nothing of it. */
const recordBytes = 1024
/** A stated session beyond this comes from a damaged file. */
const longestSessionMs = 24 * 60 * 60 * 1000

export function encodeLockRecord(record: LockRecord): Uint8Array {
  return Buffer.from(`${JSON.stringify(record)}\n`.padEnd(recordBytes))
}

/**
 * Undefined for what is no record: an empty file, as Kafka's own lock is one, or one that was cut
 * short.
 */
export function decodeLockRecord(text: string): LockRecord | undefined {
  let value: Record<string, unknown>
  try {
    // Text that was added behind it is not the holder's.
    value = JSON.parse(text.slice(0, recordBytes))
  } catch {
    return undefined
  }
  if (typeof value !== 'object' || value === null || !isCount(value.pid)) return undefined
  const { id, place } = value
  const { dev, ino } = (place ?? {}) as Record<string, unknown>
  return {
    id: typeof id === 'string' && /^[0-9a-f-]{1,64}$/.test(id) ? id : undefined,
    pid: value.pid,
    worker: isCount(value.worker) ? value.worker : 0,
    host: textIn(value.host) ?? '',
    platform: textIn(value.platform) ?? '',
    bootId: textIn(value.bootId),
    pidNamespace: textIn(value.pidNamespace),
    timeNamespace: textIn(value.timeNamespace),
    tid: isCount(value.tid) ? value.tid : undefined,
    startTicks: isCount(value.startTicks) ? value.startTicks : undefined,
    since: textIn(value.since),
    place: typeof dev === 'string' && typeof ino === 'string' ? { dev, ino } : undefined,
    isKernelLocked: value.isKernelLocked === true,
    sessionTimeoutMs: isCount(value.sessionTimeoutMs) ? Math.min(value.sessionTimeoutMs, longestSessionMs) : undefined,
    beat: isCount(value.beat) ? value.beat : 0,
    beatAt: typeof value.beatAt === 'number' && Number.isFinite(value.beatAt) ? value.beatAt : undefined,
    isReleased: value.isReleased === true
  }
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0
}

function textIn(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined
}
