export const leaderEpochFile = 'leader-epoch-checkpoint'

/** The path of the files that Kafka names after an offset, in twenty digits, without their suffix: those of the segment that begins there, for one. */
export function pathIn(folder: string, offset: number): string {
  return `${folder}/${String(offset).padStart(20, '0')}`
}
