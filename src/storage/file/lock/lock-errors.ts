import { KafkaError } from '../../../errors.js'
import type { Doubt } from './acquisition.js'
import type { FoundLock } from './found-lock.js'
import { sharesKernel, sharesPids, type ThreadIdentity, thisThread } from './thread-identity.js'

/**
 * For a second owner. With a doubt, the holder may be dead, and silence has not lasted long enough
 * to tell.
 */
export function heldElsewhere(directory: string, lock: FoundLock, doubt?: Doubt): KafkaError {
  const since = lock.record?.since === undefined || lock.record.isReleased ? '' : ` since ${lock.record.since}`
  const use = doubt ? 'may be in use' : 'is in use'
  const advice = doubt
    ? `it has not been heard of for ${Math.round(doubt.silentMs)} ms and is honoured for ${doubt.honouredMs} ms: open the ` +
      'directory with `Cluster.open`, or call `prepare` first, which wait for as long'
    : 'only one cluster at a time can open it: close that one first, or open the directory with `readOnly: true` to look at it'
  return new KafkaError('STORAGE_FAILED', `The directory \`${directory}\` ${use} by ${holderOf(lock)}${since}; ${advice}`)
}

/** For an owner whose lock is gone. */
export function lockLost(directory: string, successor: FoundLock | undefined): KafkaError {
  const since = successor?.record?.since === undefined ? '' : ` at ${successor.record.since}`
  const reason = successor ? `${holderOf(successor)} took it over${since}` : 'somebody has removed the file `.lock`, or moved the directory'
  return new KafkaError(
    'STORAGE_FAILED',
    `The lock on the directory \`${directory}\` is lost: ${reason}. Nothing is written or acknowledged here any more; close this ` +
      'cluster, and open it again when no other has the directory'
  )
}

function holderOf({ record, isKernelLocked }: FoundLock): string {
  if (!record || (record.isReleased && isKernelLocked)) return 'a program that does not say which it is (Apache Kafka, for one)'
  const self = thisThread()
  const where = placeOf(record, self)
  if (where !== '' || record.pid !== self.pid) return `process ${record.pid}${where}`
  return record.worker === self.worker
    ? 'this process'
    : `this process, in ${record.worker === 0 ? 'its main thread' : `worker ${record.worker}`}`
}

function placeOf(record: ThreadIdentity, self: ThreadIdentity): string {
  if (record.host !== '' && record.host !== self.host) return ` on host ${record.host}`
  if (sharesPids(record, self) || record.bootId === undefined || self.bootId === undefined) return ''
  return sharesKernel(record, self) ? ` in another container on host ${record.host}` : ` on another host of the name ${record.host}`
}
