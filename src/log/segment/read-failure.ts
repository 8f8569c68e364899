import { KafkaError } from '../../errors.js'
import { reasonOf } from '../append/write-failures.js'
import type { LogState } from '../log-state.js'
import type { Segment } from './segment.js'

/**
 * Throws the error of a read that has failed: damage, a segment that another process has removed,
 * or a storage that fails.
 */
export function failRead(log: LogState, cause: unknown, offset?: number): never {
  log.expectOpen()
  if (offset !== undefined && log.storage.readOnly && isGone(cause)) passRemoved(log, offset)
  if (cause instanceof KafkaError && cause.code !== 'STORAGE_FAILED') throw log.chain.damage.tell(cause)
  throw new KafkaError('KAFKA_STORAGE_ERROR', `The log \`${log.folder}\` could not be read: ${reasonOf(cause)}`, { cause })
}

/**
 * The owner of the directory, another process, has removed the segment in which `offset` stood: the
 * log starts after it.
 */
function passRemoved(log: LogState, offset: number): never {
  const { segments } = log
  const { nextOffset } = segments.at(segments.indexOf(offset)) as Segment
  log.logStartOffset = Math.max(log.logStartOffset, nextOffset)
  throw log.outOfRange(offset)
}

/** True if a file is no longer there. */
function isGone(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  return (error as { code?: unknown }).code === 'ENOENT' || isGone(error.cause)
}
