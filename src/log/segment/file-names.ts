/** At the top of a directory: up to where each log is safe. */
export const recoveryPointFile = 'recovery-point-offset-checkpoint'
/** Up to where each log is committed. */
export const highWatermarkFile = 'replication-offset-checkpoint'
/** The start offset of each log. */
export const logStartFile = 'log-start-offset-checkpoint'
/** Up to where each log is compacted. */
export const cleanerFile = 'cleaner-offset-checkpoint'
export const leaderEpochFile = 'leader-epoch-checkpoint'

/**
 * The path of the files that Kafka names after an offset, in twenty digits, without their suffix:
 * those of the segment that begins there, for one.
 */
export function pathIn(folder: string, offset: number): string {
  return `${folder}/${String(offset).padStart(20, '0')}`
}
