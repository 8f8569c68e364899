import { type BigIntStats, closeSync, fstatSync, openSync, readFileSync, statfsSync } from 'node:fs'
import { dirname } from 'node:path'
import { isMissing } from '../storage-error.js'
import type { KernelLocks } from './kernel-locks.js'
import { decodeLockRecord, type LockRecord } from './lock-record.js'
import {
  isPidInUse,
  sharesKernel,
  sharesPids,
  startTicksOf,
  stateOfThread,
  type ThreadIdentity,
  type ThreadState
} from './thread-identity.js'

/** A lock file as it was at one moment. */
export interface FoundLock {
  readonly path: string
  /** Undefined where the file says nothing: it is empty, cut short or damaged. */
  readonly record: LockRecord | undefined
  readonly stats: BigIntStats
  /** True if the kernel keeps a lock on it for somebody; undefined where that cannot be told. */
  readonly isKernelLocked: boolean | undefined
  /** The same for as long as the holder is the same. */
  readonly id: string
  /** The same for as long as the holder gives no sign of life. */
  readonly state: string
}

/** Undefined when there is no such file. */
export function findLock(path: string, kernelLocks: KernelLocks | undefined): FoundLock | undefined {
  let fd: number
  try {
    fd = openSync(path, 'r')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
  try {
    // Before the content: who takes the lock over afterwards has another file.
    const isKernelLocked = kernelLocks ? kernelLocks.isLocked(fd) : isInProcLocks(fstatSync(fd, { bigint: true }))
    const record = decodeLockRecord(readFileSync(fd, 'utf8'))
    const stats = fstatSync(fd, { bigint: true })
    const id = record?.id ?? `x-${stats.ino}-${stats.ctimeNs}`
    const state = record?.id === undefined ? `${id} ${stats.mtimeNs} ${stats.size}` : `${id} ${record.beat}`
    return { path, record, stats, isKernelLocked, id, state }
  } finally {
    closeSync(fd)
  }
}

/**
 * `unsure`: only silence tells that the holder is gone. `ending`: it was killed, and is about to be
 * gone.
 */
export type Verdict = 'alive' | 'ending' | 'dead' | 'unsure'

/** True if the holder of a lock lives, by all that the system tells. */
export function verdictOn({ record, stats, path, isKernelLocked }: FoundLock, self: ThreadIdentity): Verdict {
  if (isKernelLocked) return record && sharesPids(record, self) && stateOfThread(record) === 'ending' ? 'ending' : 'alive'
  if (!record) return 'unsure'
  if (record.isReleased) return 'dead'
  const place = verdictOnPlace(record, stats, path, self)
  if (place !== 'alive') return place
  if (sharesKernel(record, self)) {
    if (record.isKernelLocked && isKernelLocked === false && fileSystemOf(path).isOfOneKernel) return 'dead'
    return sharesPids(record, self) ? verdictOf(stateOfThread(record)) : 'unsure'
  }
  if (record.bootId !== undefined && self.bootId !== undefined) return fileSystemOf(path).isOfOneKernel ? 'dead' : 'unsure'
  if (record.id === undefined) return verdictOnEarlierLock(record, self)
  if (record.host !== self.host || record.platform !== self.platform || self.platform === 'linux') return 'unsure'
  if ((record.isKernelLocked && isKernelLocked === false) || !isPidInUse(record.pid)) return 'dead'
  return record.pid === self.pid && record.worker === self.worker ? 'alive' : 'unsure'
}

/**
 * True if the lock was written to this file: a copy of it says nothing about the copied directory.
 */
function verdictOnPlace({ place, ...record }: LockRecord, stats: BigIntStats, path: string, self: ThreadIdentity): Verdict {
  if (!place) return 'alive'
  const isSameFile = place.ino === String(stats.ino)
  if (isSameFile && (!sharesKernel(record, self) || place.dev === String(stats.dev))) return 'alive'
  const { isOfOneKernel, keepsInodes } = fileSystemOf(path)
  if (!keepsInodes) return 'unsure'
  // The same number on another device: a snapshot that is mounted beside its origin.
  return isSameFile && !isOfOneKernel ? 'alive' : 'dead'
}

/** Earlier versions wrote process and host, and no sign of life. */
function verdictOnEarlierLock({ pid, host, startTicks }: LockRecord, self: ThreadIdentity): Verdict {
  if (host !== '' && host !== self.host) return 'unsure'
  if (!isPidInUse(pid)) return host === '' ? 'dead' : 'unsure'
  const found = startTicksOf(pid)
  if (!startTicks || found === undefined || found === startTicks) return 'alive'
  return 'unsure'
}

function verdictOf(state: ThreadState): Verdict {
  return state === 'unknown' ? 'unsure' : state
}

interface FileSystemTraits {
  /** True if only one kernel at a time can have it mounted. */
  readonly isOfOneKernel: boolean
  /** True if a file has one inode number, whoever looks. */
  readonly keepsInodes: boolean
}

function fileSystemOf(path: string): FileSystemTraits {
  if (process.platform !== 'linux') return { isOfOneKernel: false, keepsInodes: false }
  const type = statfsSync(dirname(path)).type >>> 0
  const isOfOneKernel = localFileSystems.has(type)
  return { isOfOneKernel, keepsInodes: isOfOneKernel || type === nfs }
}

/** ext2 to ext4, XFS, Btrfs, F2FS, ZFS, bcachefs, tmpfs and overlayfs, by Linux's numbers. */
const localFileSystems: ReadonlySet<number> = new Set([
  0xef53, 0x58465342, 0x9123683e, 0xf2f52010, 0x2fc12fc1, 0xca451a4e, 0x01021994, 0x794c7630
])
const nfs = 0x6969

/**
 * Linux tells of the locks of all its processes in a file: who cannot take such a lock, for lack of
 * the package, can still see one. Locks of processes in other pid namespaces are told as well where
 * they are those of a file description.
 */
function isInProcLocks({ ino, dev }: BigIntStats): boolean | undefined {
  let text: string
  try {
    text = readFileSync('/proc/locks', 'latin1')
  } catch {
    return undefined
  }
  const suffix = `:${ino}`
  let isUnclear = false
  for (const line of text.split('\n')) {
    const [, kind, , mode, , place = ''] = line.split(/\s+/)
    if (!place.endsWith(suffix) || mode !== 'WRITE' || (kind !== 'OFDLCK' && kind !== 'POSIX')) continue
    if (place === `${hex(majorOf(dev))}:${hex(minorOf(dev))}${suffix}`) return true
    // Some file systems show another device here than to those who look at the file.
    isUnclear = true
  }
  return isUnclear ? undefined : false
}

const hex = (value: bigint) => value.toString(16).padStart(2, '0')
const majorOf = (dev: bigint) => ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & 0xfffff000n)
const minorOf = (dev: bigint) => (dev & 0xffn) | ((dev >> 12n) & 0xffffff00n)
